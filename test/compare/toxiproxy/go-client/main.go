// Drives every call of Toxiproxy's client for Go against the server whose URL it is given, and prints what came of it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

const patience = 10 * time.Second

func main() {
	client := toxiproxy.NewClient(os.Args[1])
	client.UserAgent = "comparison"
	upstream := startEcho()
	proxies(client, upstream)
	toxics(client, upstream)
	traffic(client, upstream)
	mistakes(client, upstream)
	fmt.Println("reset", client.ResetState())
}

// startEcho listens on a port of its own and sends back what it gets.
func startEcho() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func proxies(client *toxiproxy.Client, upstream string) {
	version, err := client.Version()
	fmt.Println("version", len(version) > 0, err)
	proxy, err := client.CreateProxy("one", "localhost:0", upstream)
	show("created", proxy, err)
	fmt.Println("disable", proxy.Disable(), proxy.Enabled)
	fmt.Println("enable", proxy.Enable(), proxy.Enabled)

	fresh := client.NewProxy()
	fresh.Name, fresh.Listen, fresh.Upstream = "two", "localhost:0", upstream
	show("saved", fresh, fresh.Save())
	found, err := client.Proxy("one")
	show("found", found, err)

	all, err := client.Proxies()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Println("all", names, err)

	populated, err := client.Populate([]toxiproxy.Proxy{
		{Name: "one", Listen: found.Listen, Upstream: upstream, Enabled: true},
		{Name: "three", Listen: "localhost:0", Upstream: upstream, Enabled: true},
	})
	fmt.Println("populated", len(populated), err)
	fmt.Println("deleted", fresh.Delete())
}

func toxics(client *toxiproxy.Client, upstream string) {
	proxy, err := client.CreateProxy("toxics", "localhost:0", upstream)
	show("created", proxy, err)
	toxic, err := proxy.AddToxic("", "latency", "", 1, toxiproxy.Attributes{"latency": 5, "jitter": 1})
	showToxic("added", toxic, err)
	toxic, err = proxy.AddToxic("share", "slicer", "upstream", 0.3, toxiproxy.Attributes{"average_size": 3})
	showToxic("added", toxic, err)
	toxic, err = client.AddToxic(&toxiproxy.ToxicOptions{
		ProxyName: "toxics", ToxicName: "opted", ToxicType: "bandwidth", Stream: "upstream", Toxicity: 1,
		Attributes: toxiproxy.Attributes{"rate": 1000},
	})
	showToxic("added", toxic, err)
	toxic, err = proxy.UpdateToxic("latency_downstream", 0.5, toxiproxy.Attributes{"jitter": 2})
	showToxic("updated", toxic, err)
	toxic, err = proxy.UpdateToxic("latency_downstream", -1, toxiproxy.Attributes{"latency": 7})
	showToxic("updated", toxic, err)
	toxic, err = client.UpdateToxic(&toxiproxy.ToxicOptions{
		ProxyName: "toxics", ToxicName: "share", Toxicity: 1, Attributes: toxiproxy.Attributes{},
	})
	showToxic("updated", toxic, err)
	all, err := proxy.Toxics()
	for i := range all {
		showToxic("listed", &all[i], err)
	}
	fmt.Println("removed", proxy.RemoveToxic("share"))
	fmt.Println("removed", client.RemoveToxic(&toxiproxy.ToxicOptions{ProxyName: "toxics", ToxicName: "opted"}))
	found, err := client.Proxy("toxics")
	show("found", found, err)
	fmt.Println("toxics left", len(found.ActiveToxics))
}

func traffic(client *toxiproxy.Client, upstream string) {
	proxy, err := client.CreateProxy("traffic", "localhost:0", upstream)
	show("created", proxy, err)
	conn := dial(proxy)
	fmt.Println("echo", exchange(conn, "hello"))
	proxy.AddToxic("slow", "latency", "downstream", 1, toxiproxy.Attributes{"latency": 200})
	started := time.Now()
	fmt.Println("slow echo", exchange(conn, "hello"), time.Since(started) >= 195*time.Millisecond)
	proxy.RemoveToxic("slow")
	proxy.AddToxic("few", "limit_data", "downstream", 1, toxiproxy.Attributes{"bytes": 3})
	limited := dial(proxy)
	limited.Write([]byte("hello"))
	rest, err := io.ReadAll(limited)
	fmt.Println("limited", string(rest), err)
	fmt.Println("disabled", proxy.Disable())
	_, err = conn.Read(make([]byte, 1))
	fmt.Println("closed", errors.Is(err, io.EOF))
	_, err = net.DialTimeout("tcp", proxy.Listen, patience)
	fmt.Println("refused", err != nil)
}

func mistakes(client *toxiproxy.Client, upstream string) {
	_, err := client.CreateProxy("one", "localhost:0", upstream)
	fmt.Println("twice:", err)
	_, err = client.CreateProxy("", "localhost:0", upstream)
	fmt.Println("nameless:", err)
	_, err = client.CreateProxy("bad", "bad", upstream)
	fmt.Println("bad address:", err)
	_, err = client.Proxy("nope")
	fmt.Println("nowhere:", err)
	one, _ := client.Proxy("one")
	_, err = one.AddToxic("", "nope", "", 1, nil)
	fmt.Println("no such type:", err)
	_, err = one.AddToxic("", "latency", "sideways", 1, nil)
	fmt.Println("no such stream:", err)
	_, err = one.AddToxic("", "latency", "", 1, toxiproxy.Attributes{"latency": "x"})
	fmt.Println("no number:", err)
	_, err = one.UpdateToxic("nope", 1, nil)
	fmt.Println("no such toxic:", err)
	fmt.Println("no such toxic:", one.RemoveToxic("nope"))
	_, err = client.Populate([]toxiproxy.Proxy{{Name: "x"}})
	fmt.Println("no upstream:", err)
	fmt.Println("deleted:", one.Delete())
	fmt.Println("deleted twice:", one.Delete())
}

func dial(proxy *toxiproxy.Proxy) net.Conn {
	conn, err := net.DialTimeout("tcp", proxy.Listen, patience)
	if err != nil {
		panic(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func exchange(conn net.Conn, text string) bool {
	conn.Write([]byte(text))
	answer := make([]byte, len(text))
	_, err := io.ReadFull(conn, answer)
	return err == nil && bytes.Equal(answer, []byte(text))
}

func show(what string, proxy *toxiproxy.Proxy, err error) {
	host, _, _ := strings.Cut(proxy.Listen, ":")
	fmt.Println(what, proxy.Name, host, proxy.Enabled, err)
}

func showToxic(what string, toxic *toxiproxy.Toxic, err error) {
	if err != nil {
		fmt.Println(what, err)
		return
	}
	fmt.Println(what, toxic.Name, toxic.Type, toxic.Stream, toxic.Toxicity, toxic.Attributes)
}
