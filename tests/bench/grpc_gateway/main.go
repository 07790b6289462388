// grpc-gateway in front of a gRPC server, as its documentation sets one up; the other side of the
// comparison in tests/bench/requests.mjs.
//
//	grpc_gateway BACKEND-HOST:PORT
//
// Listens on a free port of 127.0.0.1 for HTTP/1.1 and h2c and prints the port.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
	"google.golang.org/grpc"

	"orders"
)

func main() {
	mux := runtime.NewServeMux()
	options := []grpc.DialOption{grpc.WithInsecure()}
	err := orders.RegisterOrdersHandlerFromEndpoint(context.Background(), mux, os.Args[1], options)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, h2c.NewHandler(mux, &http2.Server{})))
}
