package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// cinderZone is the zone's name in the node affinity of Cinder volumes. Providers
// translate the keys of their storage to the zone that upstream knows.
const cinderZone = "topology.cinder.csi.openstack.org/zone"

// cloud offers the problem's flavors to every NodePool. Calls that it does not
// implement panic: the code under measurement must not make them.
type cloud struct {
	cloudprovider.CloudProvider
	types   []*cloudprovider.InstanceType
	byName  map[string]*cloudprovider.InstanceType
	labels  map[string]map[string]string
	classes []status.Object
}

func newCloud(problem *Problem) (*cloud, error) {
	byFlavor := map[string][]Offer{}
	keys := map[string]bool{}
	for _, offer := range problem.Offers {
		byFlavor[offer.Flavor] = append(byFlavor[offer.Flavor], offer)
		for key := range offer.Labels {
			keys[key] = true
		}
	}
	karpv1.NormalizedLabels[cinderZone] = corev1.LabelTopologyZone
	for _, reserved := range []string{corev1.LabelTopologyZone, cinderZone, corev1.LabelInstanceTypeStable, karpv1.CapacityTypeLabelKey} {
		delete(keys, reserved)
	}
	// Labels that flavors have may be asked for by pods although no NodePool names them.
	karpv1.WellKnownLabels.Insert(slices.Collect(maps.Keys(keys))...)
	for _, key := range []string{corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelTopologyRegion, corev1.LabelWindowsBuild} {
		keys[key] = true
	}

	c := &cloud{byName: map[string]*cloudprovider.InstanceType{}, labels: map[string]map[string]string{}}
	for _, flavor := range slices.Sorted(maps.Keys(byFlavor)) {
		instanceType, labels, err := newInstanceType(byFlavor[flavor], keys)
		if err != nil {
			return nil, err
		}
		c.types = append(c.types, instanceType)
		c.byName[flavor] = instanceType
		c.labels[flavor] = labels
	}
	c.classes = nodeClasses(problem)
	return c, nil
}

// newInstanceType makes one instance type of a flavor's offers, one per zone,
// and returns the labels that a node of it has. It defines every key of keys.
func newInstanceType(offers []Offer, keys map[string]bool) (*cloudprovider.InstanceType, map[string]string, error) {
	first := offers[0]
	overhead := first.Overhead
	if first.Allocatable != nil {
		if first.Overhead != nil {
			return nil, nil, fmt.Errorf("offer of %s: give overhead or allocatable, not both", first.Flavor)
		}
		overhead = corev1.ResourceList{}
		for name, allocatable := range first.Allocatable {
			rest := first.Capacity[name].DeepCopy()
			rest.Sub(allocatable)
			overhead[name] = rest
		}
	}
	zones := []string{}
	offerings := cloudprovider.Offerings{}
	for _, offer := range offers {
		delete(offer.Labels, corev1.LabelTopologyZone)
		delete(offer.Labels, cinderZone)
		if !maps.Equal(offer.Labels, first.Labels) || !equal(offer.Capacity, first.Capacity) ||
			!equal(offer.Allocatable, first.Allocatable) || !equal(offer.Overhead, first.Overhead) {
			return nil, nil, fmt.Errorf("offers of %s differ between zones in more than the price", first.Flavor)
		}
		zones = append(zones, offer.Zone)
		offerings = append(offerings, &cloudprovider.Offering{
			Available: true,
			Price:     offer.Price,
			Requirements: scheduling.NewLabelRequirements(map[string]string{
				karpv1.CapacityTypeLabelKey: karpv1.CapacityTypeOnDemand,
				corev1.LabelTopologyZone:    offer.Zone,
			}),
		})
	}
	labels := map[string]string{corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux"}
	maps.Copy(labels, first.Labels)
	labels[corev1.LabelInstanceTypeStable] = first.Flavor
	labels[karpv1.CapacityTypeLabelKey] = karpv1.CapacityTypeOnDemand
	requirements := scheduling.NewLabelRequirements(labels)
	requirements.Add(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...))
	for key := range keys {
		if !requirements.Has(key) {
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	instanceType := &cloudprovider.InstanceType{
		Name:         first.Flavor,
		Requirements: requirements,
		Offerings:    offerings,
		Capacity:     first.Capacity,
		Overhead:     &cloudprovider.InstanceTypeOverhead{KubeReserved: overhead},
	}
	// Computed once and kept; providers hand out the same types round after round.
	instanceType.Allocatable()
	return instanceType, labels, nil
}

func equal(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}

// nodeClasses has one object for each group and kind that NodePools refer to:
// NodePools of other kinds would not be this provider's.
func nodeClasses(problem *Problem) []status.Object {
	kinds := map[schema.GroupKind]bool{}
	var classes []status.Object
	for _, pool := range problem.NodePools {
		kind := pool.Spec.Template.Spec.NodeClassRef.GroupKind()
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		class := &nodeClass{}
		class.SetGroupVersionKind(kind.WithVersion("v1"))
		classes = append(classes, class)
	}
	return classes
}

func (c *cloud) Name() string { return "peer" }

func (c *cloud) GetInstanceTypes(context.Context, *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return c.types, nil
}

func (c *cloud) GetSupportedNodeClasses() []status.Object { return c.classes }

// nodeClass stands for a node class by its group and kind alone.
type nodeClass struct {
	unstructured.Unstructured
}

func (*nodeClass) GetConditions() []status.Condition { return nil }

func (*nodeClass) SetConditions([]status.Condition) {}

func (n *nodeClass) StatusConditions(...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions().For(n)
}

// launch names the cheapest offering that a planned claim still allows: what a
// provider would buy. Ties go by the names of flavor and zone.
func (c *cloud) launch(types cloudprovider.InstanceTypes, allowed scheduling.Requirements) (flavor, zone string, price float64, err error) {
	found := false
	for _, instanceType := range types {
		for _, offering := range instanceType.Offerings.Available().Compatible(allowed) {
			better := !found || offering.Price < price
			if found && offering.Price == price {
				better = instanceType.Name < flavor || instanceType.Name == flavor && offering.Zone() < zone
			}
			if better {
				found, flavor, zone, price = true, instanceType.Name, offering.Zone(), offering.Price
			}
		}
	}
	if !found {
		return "", "", 0, fmt.Errorf("a planned claim allows no offering: %v", allowed)
	}
	return flavor, zone, price, nil
}

// zones are those in which a planned claim may have this flavor at this price.
func (c *cloud) zones(flavor string, price float64, allowed scheduling.Requirements) []string {
	var found []string
	for _, offering := range c.byName[flavor].Offerings.Available().Compatible(allowed) {
		if offering.Price == price {
			found = append(found, offering.Zone())
		}
	}
	slices.Sort(found)
	return found
}
