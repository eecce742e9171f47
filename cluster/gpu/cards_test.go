package gpu

import (
	"strings"
	"testing"
)

func TestCards(t *testing.T) {
	for text, want := range map[string]string{
		"": "none", "none": "none", "type=nvidia-tesla-t4,count=1": "type=nvidia-tesla-t4,count=1", "count=2,type=nvidia-tesla-t4": "type=nvidia-tesla-t4,count=2",
		"type=nvidia-l4": "type=nvidia-l4,count=1",
	} {
		var c Cards
		if err := c.Decode(text); err != nil || c.String() != want {
			t.Errorf("%q: %q, %v", text, c, err)
		}
		var again Cards
		if err := again.Decode(c.String()); err != nil || again != c {
			t.Errorf("%q read again: %q, %v", c, again, err)
		}
	}
	for text, want := range map[string]string{
		"nvidia-tesla-t4": "they look like type=nvidia-tesla-t4,count=1", "count=1": "they look like", "type=a,type=b": "they look like", "type=a,colour=red": "they look like",
		"type=a,count=0": "no number of accelerators", "type=a,count=99": "no number of accelerators", "type=a,count=x": "no number of accelerators",
		"type=Nvidia_T4": "no accelerator type", "type=a/b": "no accelerator type", "type=": "no accelerator type", "type=" + strings.Repeat("a", 500): "…",
	} {
		var c Cards
		if err := c.Decode(text); err == nil || !strings.Contains(err.Error(), want) || c != "" {
			t.Errorf("%q: %q, %v, want %q", text, c, err, want)
		}
	}
	for kind, want := range map[string]string{"nvidia-tesla-t4": "NVIDIA_T4_GPUS", "nvidia-l4": "NVIDIA_L4_GPUS", "nvidia-a100-80gb": "NVIDIA_A100_80GB_GPUS", "nvidia-tesla-p100-vws": "NVIDIA_P100_VWS_GPUS"} {
		if c := Of(kind, 3); c.Metric() != want || c.Kind() != kind || c.Count() != 3 {
			t.Errorf("%s: %s %s %d", c, c.Metric(), c.Kind(), c.Count())
		}
	}
	if c := Of("", 0); c.Kind() != "" || c.Count() != 0 || c.Has("n1-standard-4") || !c.Has("g2-standard-4") || !Of("nvidia-tesla-t4", 1).Has("n1-standard-4") {
		t.Errorf("none: %q %d", c.Kind(), c.Count())
	}
}

func TestMisfit(t *testing.T) {
	for _, c := range []struct {
		kind    string
		count   int
		machine string
		cpus    int
		want    string
	}{
		{"nvidia-tesla-t4", 1, "n1-standard-4", 4, ""}, {"nvidia-tesla-t4", 4, "custom-96-98304", 96, ""}, {"nvidia-tesla-t4-vws", 2, "n1-standard-4", 4, ""},
		{"", 0, "e2-standard-2", 2, ""}, {"nvidia-l4", 1, "g2-standard-4", 4, ""},
		{"nvidia-tesla-t4", 1, "e2-standard-2", 2, "machines of series E2 take no accelerators"},
		{"nvidia-tesla-t4", 1, "g1-small", 1, "machines of series G1 take no accelerators"},
		{"nvidia-l4", 1, "n1-standard-4", 4, "accelerators of type nvidia-l4 cannot be added to a machine"},
		{"nvidia-tesla-v100", 3, "n1-standard-4", 4, "a machine has 1, 2, 4 or 8 of type nvidia-tesla-v100"},
		{"nvidia-tesla-v100", 2, "n1-standard-32", 32, "a machine with 2 of type nvidia-tesla-v100 has 24 CPUs at most, and n1-standard-32 has 32"},
	} {
		why, instead := Of(c.kind, c.count).Misfit(c.machine, c.cpus)
		if (why == "") != (c.want == "") || !strings.HasPrefix(why, c.want) || (why == "") != (instead == "") {
			t.Errorf("%d %s on %s: %q, %q", c.count, c.kind, c.machine, why, instead)
		}
	}
}
