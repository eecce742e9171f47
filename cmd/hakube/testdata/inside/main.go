// Command inside lists the instances of a zone as any program on a machine at Google
// would: with Google's client, Application Default Credentials and nothing set.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	compute "google.golang.org/api/compute/v1"
)

func main() {
	log.SetFlags(0)
	c, err := compute.NewService(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	list, err := c.Instances.List(os.Args[1], os.Args[2]).Do()
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range list.Items {
		fmt.Println(i.Name, i.Status)
	}
}
