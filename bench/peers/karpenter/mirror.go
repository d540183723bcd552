package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
)

// mirror is upstream's picture of one cluster with everything that its
// controllers are made of.
type mirror struct {
	store       *store
	cloud       *cloud
	clock       clock.Clock
	cluster     *state.Cluster
	provisioner *provisioning.Provisioner
	recorder    events.Recorder
}

// newMirror feeds the problem's nodes, claims and running pods to upstream's
// cluster state. Pods that wait are stored only with keepWaiting: whoever hands
// them over directly needs no copy of them in lists.
func newMirror(ctx context.Context, problem *Problem, keepWaiting bool) (*mirror, error) {
	c, err := newCloud(problem)
	if err != nil {
		return nil, err
	}
	m := &mirror{store: newStore(problem.others...), cloud: c, clock: newClock(problem.Now), recorder: silence{}}
	for _, pool := range problem.NodePools {
		m.store.put(pool.DeepCopy())
	}
	for _, set := range problem.DaemonSets {
		m.store.put(set.DeepCopy())
	}
	for _, pdb := range problem.PDBs {
		m.store.put(pdb.DeepCopy())
	}
	m.cluster = state.NewCluster(m.clock, m.store, c)
	m.provisioner = provisioning.NewProvisioner(m.store, m.recorder, c, m.cluster, m.clock, nil, nil)
	for _, pod := range problem.Pods {
		if pod.Spec.NodeName != "" || keepWaiting {
			m.store.put(pod.DeepCopy())
		}
	}
	for _, claim := range problem.NodeClaims {
		stored := claim.DeepCopy()
		m.store.put(stored)
		m.cluster.UpdateNodeClaim(stored.DeepCopy())
	}
	for _, node := range problem.Nodes {
		if err := m.addNode(ctx, node.DeepCopy()); err != nil {
			return nil, err
		}
	}
	for _, pod := range problem.Pods {
		if pod.Spec.NodeName == "" {
			continue
		}
		if err := m.cluster.UpdatePod(ctx, pod.DeepCopy()); err != nil {
			return nil, fmt.Errorf("pod %s: %w", client.ObjectKeyFromObject(pod), err)
		}
	}
	for _, set := range problem.DaemonSets {
		if err := m.cluster.UpdateDaemonSet(ctx, set); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *mirror) addNode(ctx context.Context, node *corev1.Node) error {
	m.store.put(node)
	if err := m.cluster.UpdateNode(ctx, node.DeepCopy()); err != nil {
		return fmt.Errorf("node %s: %w", node.Name, err)
	}
	return nil
}

// silence is a recorder that drops events.
type silence struct{}

func (silence) Publish(...events.Event) {}

// shiftedClock runs like the real one from another instant.
type shiftedClock struct {
	clock.RealClock
	shift time.Duration
}

func newClock(now time.Time) clock.Clock {
	if now.IsZero() {
		return clock.RealClock{}
	}
	return shiftedClock{shift: time.Until(now)}
}

func (c shiftedClock) Now() time.Time { return time.Now().Add(c.shift) }

func (c shiftedClock) Since(instant time.Time) time.Duration { return c.Now().Sub(instant) }
