package status

// Zones of the tables.
const (
	zoneB = "europe-west1-b"
	zoneC = "europe-west1-c"
	zoneD = "europe-west1-d"
)
