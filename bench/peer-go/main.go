// The common design of a flash sale, to compare with: net/http, a pool of Redis connections, and
// one Lua script that takes a unit with DECR and locks it for its buyer for five minutes.
//
// Tuned as for production on one core; docs/benchmarks.md says how each choice was made.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

//go:embed reserve.lua
var reserveLua string

var reserve = redis.NewScript(2, reserveLua)

func main() {
	address := flag.String("redis", "", "where Redis is: tcp:HOST:PORT or unix:FILE")
	keyFile := flag.String("buyer-key", "", "file with the HS256 secret that signs for buyers")
	stock := flag.String("stock", "", "tiers and their units: a=1,b=2")
	connections := flag.Int("pool", 16, "connections to Redis")
	percent := flag.Int("gc", 200, "as GOGC: how much the heap grows between collections, in percent")
	flag.Parse()
	debug.SetGCPercent(*percent)

	secret, err := os.ReadFile(*keyFile)
	check(err)
	pool := newPool(*address, *connections)
	check(fill(pool, *stock))

	// It ends with whoever started it.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{
		Handler:           newShop(pool, strings.TrimSpace(string(secret))),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	check(server.Serve(listener))
}

// As many connections as are ever used at once, all kept open: a buy never waits for a new one.
func newPool(address string, connections int) *redis.Pool {
	kind, address, _ := strings.Cut(address, ":")
	return &redis.Pool{
		MaxIdle:   connections,
		MaxActive: connections,
		Wait:      true,
		Dial: func() (redis.Conn, error) {
			return redis.Dial(kind, address,
				redis.DialConnectTimeout(time.Second),
				redis.DialReadTimeout(2*time.Second),
				redis.DialWriteTimeout(2*time.Second))
		},
	}
}

// Loads the script, and all units into Redis before the sale.
func fill(pool *redis.Pool, stock string) error {
	connection := pool.Get()
	defer connection.Close()
	if err := reserve.Load(connection); err != nil {
		return err
	}
	for _, tier := range strings.Split(stock, ",") {
		parts := strings.SplitN(tier, "=", 2)
		if len(parts) != 2 {
			return fmt.Errorf("-stock says %q, and not a=1", tier)
		}
		if _, err := connection.Do("SET", stockKey(parts[0]), parts[1]); err != nil {
			return err
		}
	}
	return nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
