// Package rehearse plays a deployment without an account: it makes the
// synthesized stack on a test server, and has the deployed binaries answer queries
// there. `make rehearse` runs its test.
package rehearse
