// Package rings is about the two etcd clusters that all masters are in, the rings:
// it asks the masters who is in them and concludes from their answers alone who
// votes, who lives, what is missing and how many more may fail. It changes nothing,
// and knows masters by their names and zones only.
package rings
