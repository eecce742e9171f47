package gce

import (
	"context"
	"errors"
	"strings"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// GuestAttributes returns what the machine itself wrote below path, which is
// "namespace/" or "namespace/key", by "namespace/key". Nothing written yet is
// an empty map and no error; an instance that is gone is [Gone].
func (i Instances) GuestAttributes(ctx context.Context, name, path string) (map[string]string, error) {
	got, err := read(ctx, i.c, &i.c.instances, call{"reading guest attributes of", "instance", name},
		func(ctx context.Context, rest *compute.InstancesClient) (*computepb.GuestAttributes, error) {
			return rest.GetGuestAttributes(ctx, &computepb.GetGuestAttributesInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, QueryPath: &path}, once)
		})
	if unwritten(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := make(map[string]string, len(got.GetQueryValue().GetItems()))
	for _, x := range got.GetQueryValue().GetItems() {
		all[x.GetNamespace()+"/"+x.GetKey()] = x.GetValue()
	}
	return all, nil
}

// unwritten recognises "The resource 'hostkeys/' of type 'Guest Attribute' was
// not found.", the words gcloud looks for too (ssh_utils.py).
func unwritten(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == 404 && strings.Contains(e.Message, "of type 'Guest Attribute'")
}

// SerialOutput returns what the machine printed on its console (port 1) from
// byte start on, and where to go on. The API keeps the last mebibyte: when
// start has been dropped it answers with what there is. Of a machine that does not
// run it has nothing ("is not ready"), which is nothing printed and not asked again.
func (i Instances) SerialOutput(ctx context.Context, name string, start int64) (text string, next int64, err error) {
	got, err := ask(ctx, i.c, &i.c.instances, call{"reading serial output of", "instance", name}, glancing,
		func(ctx context.Context, rest *compute.InstancesClient) (*computepb.SerialPortOutput, error) {
			return rest.GetSerialPortOutput(ctx, &computepb.GetSerialPortOutputInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, Start: &start}, once)
		})
	var e *Error
	switch {
	case errors.As(err, &e) && e.is("resourceNotReady"):
		return "", start, nil
	case err != nil:
		return "", start, err
	}
	return got.GetContents(), got.GetNext(), nil
}

// consolePages is more than the mebibyte that is kept takes.
const consolePages = 16

// Console is all of a machine's console that is kept.
func (i Instances) Console(ctx context.Context, name string) (string, error) {
	var all strings.Builder
	start := int64(0)
	for range consolePages {
		text, next, err := i.SerialOutput(ctx, name, start)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
		if text == "" || next <= start {
			break
		}
		start = next
	}
	return all.String(), nil
}
