package groups

import "hakube/gce/emulator/internal/api"

func autoscalers() api.Collection {
	// None can be made; gcloud asks for them with every managed group.
	return api.Collection{Resource: "autoscalers", Kind: "autoscalers", Item: "compute#autoscaler"}
}

func regionAutoscalers() api.Collection {
	return api.Collection{Resource: "regionAutoscalers", Kind: "autoscalers", Item: "compute#regionAutoscaler"}
}
