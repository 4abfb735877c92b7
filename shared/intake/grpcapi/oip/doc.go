// Package oip is the Open Inference Protocol's gRPC service, as `make proto` generates
// it from inference.proto.
package oip
