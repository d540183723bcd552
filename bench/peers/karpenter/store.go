package main

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// store answers Get and List from memory as a warm informer cache does: pods
// are indexed by node and namespace, and what it hands out is a deep copy
// unless the caller waives that. Any other call panics, since the code under
// measurement must not make it.
type store struct {
	client.Client
	objects map[reflect.Type]map[client.ObjectKey]client.Object
	podsOn  map[string]map[client.ObjectKey]client.Object
	podsIn  map[string]map[client.ObjectKey]client.Object
}

func newStore(objects ...client.Object) *store {
	s := &store{
		objects: map[reflect.Type]map[client.ObjectKey]client.Object{},
		podsOn:  map[string]map[client.ObjectKey]client.Object{},
		podsIn:  map[string]map[client.ObjectKey]client.Object{},
	}
	for _, object := range objects {
		s.put(object)
	}
	return s
}

// put adds or replaces an object; a stored object is never changed in place.
func (s *store) put(object client.Object) {
	s.remove(object)
	key := client.ObjectKeyFromObject(object)
	insert(s.objects, reflect.TypeOf(object), key, object)
	if pod, ok := object.(*corev1.Pod); ok {
		insert(s.podsOn, pod.Spec.NodeName, key, object)
		insert(s.podsIn, pod.Namespace, key, object)
	}
}

func (s *store) remove(object client.Object) {
	key := client.ObjectKeyFromObject(object)
	old, found := s.objects[reflect.TypeOf(object)][key]
	if !found {
		return
	}
	delete(s.objects[reflect.TypeOf(object)], key)
	if pod, ok := old.(*corev1.Pod); ok {
		delete(s.podsOn[pod.Spec.NodeName], key)
		delete(s.podsIn[pod.Namespace], key)
	}
}

// podsOnNode are the stored pods of a node; callers must not change them.
func (s *store) podsOnNode(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, object := range s.podsOn[node] {
		pods = append(pods, object.(*corev1.Pod))
	}
	return pods
}

func (s *store) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	stored := s.objects[reflect.TypeOf(into)]
	found, ok := stored[key]
	if !ok {
		// Objects of the whole cluster are found whatever namespace the caller names.
		found, ok = stored[client.ObjectKey{Name: key.Name}]
	}
	if !ok {
		kind := reflect.TypeOf(into).Elem().Name()
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.String())
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
	return nil
}

func (s *store) List(_ context.Context, into client.ObjectList, listOptions ...client.ListOption) error {
	options := client.ListOptions{}
	options.ApplyOptions(listOptions)
	candidates, err := s.candidates(into, &options)
	if err != nil {
		return err
	}
	items := make([]runtime.Object, 0, len(candidates))
	for _, object := range candidates {
		if options.Namespace != "" && object.GetNamespace() != options.Namespace {
			continue
		}
		if options.LabelSelector != nil && !options.LabelSelector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		if options.UnsafeDisableDeepCopy != nil && *options.UnsafeDisableDeepCopy {
			items = append(items, object)
		} else {
			items = append(items, object.DeepCopyObject())
		}
	}
	return meta.SetList(into, items)
}

// candidates picks the index that serves a List.
func (s *store) candidates(into client.ObjectList, options *client.ListOptions) (map[client.ObjectKey]client.Object, error) {
	items, ok := reflect.TypeOf(into).Elem().FieldByName("Items")
	if !ok {
		return nil, fmt.Errorf("list of an unknown form: %T", into)
	}
	isPods := items.Type.Elem() == reflect.TypeFor[corev1.Pod]()
	switch {
	case options.FieldSelector != nil && !options.FieldSelector.Empty():
		requirements := options.FieldSelector.Requirements()
		if !isPods || len(requirements) != 1 || requirements[0].Field != "spec.nodeName" {
			return nil, fmt.Errorf("no index for %s of %T", options.FieldSelector, into)
		}
		return s.podsOn[requirements[0].Value], nil
	case isPods && options.Namespace != "":
		return s.podsIn[options.Namespace], nil
	}
	return s.objects[reflect.PointerTo(items.Type.Elem())], nil
}

func insert[K comparable](index map[K]map[client.ObjectKey]client.Object, at K, key client.ObjectKey, object client.Object) {
	if index[at] == nil {
		index[at] = map[client.ObjectKey]client.Object{}
	}
	index[at][key] = object
}
