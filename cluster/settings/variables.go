package settings

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"hakube/cluster/gpu"
	"hakube/cluster/label"
)

// A Variable is a row of the reference.
type Variable struct {
	Name, Flag, Default, Text string
	Group                     string // the title it is under
	Placeholder               string // what its value is, in one word: NUMBER
	Values                    []string
	Bool, File                bool
	List                      bool // of several, separated by commas

	commands string
}

// For tells whether the variable matters to a command, such as up or status.
func (v Variable) For(command string) bool {
	if v.commands == "all" {
		return true
	}
	if command == string(UpgradeVerb) && v.Name == OfVersion {
		return true
	}
	if (command == string(RollVerb) || command == string(UpgradeVerb)) && (Rollable(v.Name) || NodesRollable(v.Name) || slices.Contains(ofRolls, v.Name)) {
		return true
	}
	list := v.commands
	if list == "" {
		list = string(Up)
	}
	return slices.Contains(strings.Split(list, ","), command)
}

// ofRolls are the variables of how a roll goes, beside those of what it makes.
var ofRolls = []string{"HAKUBE_POOL", "HAKUBE_SURGE", "HAKUBE_DRAIN_TIMEOUT", "MIG_WAIT_UNTIL_STABLE_TIMEOUT", "KUBE_CLUSTER_INITIALIZATION_TIMEOUT"}

// placeholders are what values are called, by type.
var placeholders = map[reflect.Type]string{
	reflect.TypeFor[Zone](): "ZONE", reflect.TypeFor[Zones](): "ZONES", reflect.TypeFor[Project](): "PROJECT", reflect.TypeFor[Name](): "NAME", reflect.TypeFor[PoolName](): "NAME", reflect.TypeFor[Count](): "NUMBER",
	reflect.TypeFor[Prefix](): "RANGE", reflect.TypeFor[Addr](): "ADDRESS", reflect.TypeFor[Domain](): "DOMAIN", reflect.TypeFor[Size](): "SIZE",
	reflect.TypeFor[Version](): "VERSION", reflect.TypeFor[URL](): "URL", reflect.TypeFor[Account](): "ACCOUNT", reflect.TypeFor[Path](): "FILE",
	reflect.TypeFor[Title](): "NAME", reflect.TypeFor[Seconds](): "SECONDS", reflect.TypeFor[Scopes](): "SCOPES", reflect.TypeFor[Addons](): "ADDONS", reflect.TypeFor[Recipients](): "KEYS", reflect.TypeFor[Place](): "PLACE", reflect.TypeFor[Interval](): "INTERVAL",
	reflect.TypeFor[label.Labels](): "LABELS", reflect.TypeFor[label.Taints](): "TAINTS", reflect.TypeFor[gpu.Cards](): "ACCELERATORS",
}

// values are all there are of a type that has only a few.
var values = map[reflect.Type][]string{
	reflect.TypeFor[Bool](): {"true", "false"}, reflect.TypeFor[Provider](): {string(GCE), string(Local)},
	reflect.TypeFor[Balancing](): {string(OnReplicate), string(FromStart)}, reflect.TypeFor[Distribution](): {"debian"},
	reflect.TypeFor[DiskSnapshots]():  {string(NoSnapshots), string(Hourly), string(Daily)},
	reflect.TypeFor[PolicyProvider](): {string(NoPolicies), string(KubeNetworkPolicies)},
}

// lists are the types of which one value is several words.
var lists = map[reflect.Type]bool{reflect.TypeFor[Zones](): true, reflect.TypeFor[Scopes](): true, reflect.TypeFor[Addons](): true}

// Variables lists the settings in the order of the struct.
func Variables() []Variable { return slices.Clone(variables()) }

// variables are read once: each command asks for them several times.
var variables = sync.OnceValue(func() []Variable {
	var list []Variable
	group := ""
	for _, f := range Fields() {
		if g := f.Tag.Get("group"); g != "" {
			group = g
		}
		v := Variable{
			Name: f.Tag.Get("envconfig"), Flag: f.Tag.Get("flag"), Default: f.Tag.Get("default"), Text: f.Tag.Get("desc"),
			Group: group, Placeholder: placeholders[f.Type], Values: values[f.Type],
			Bool: f.Type == reflect.TypeFor[Bool](), File: f.Type == reflect.TypeFor[Path](), List: lists[f.Type], commands: f.Tag.Get("for"),
		}
		if v.Placeholder == "" {
			v.Placeholder = strings.Join(v.Values, "|")
		}
		list = append(list, v)
	}
	return list
})
