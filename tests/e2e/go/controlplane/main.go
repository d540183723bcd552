// Command controlplane is etcd, kube-apiserver, kube-controller-manager or
// kube-scheduler, by its first argument; the other arguments go to that
// component. One binary instead of four, since linking is most of the build.
//
// "controlplane rsa-key" prints a new RSA key in PEM form: the key that signs
// and checks the tokens of service accounts.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	commands := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllermanager.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
	if len(os.Args) > 1 {
		// The components read os.Args themselves and expect their own name first.
		os.Args = os.Args[1:]
		switch name := os.Args[0]; name {
		case "etcd":
			etcdmain.Main(os.Args)
			return
		case "rsa-key":
			printKey()
			return
		default:
			if command, known := commands[name]; known {
				os.Exit(cli.Run(command()))
			}
		}
	}
	fmt.Fprintln(os.Stderr, "controlplane: the first argument must be one of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, rsa-key")
	os.Exit(2)
}

func printKey() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
	block := pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := pem.Encode(os.Stdout, &block); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}
