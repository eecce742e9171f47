package cure

// Delete removes an object of Kubernetes', of the cluster that a context leads to.
func Delete(context, kind, namespace, name string) Command {
	return command("kubectl", "delete", kind, name, "--namespace="+namespace, "--context="+context)
}
