package line

type top struct{ low }

func (t top) name() string { return t.word + suffix }
