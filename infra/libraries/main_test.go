package main

import (
	"debug/elf"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	runtime := func() map[string]library {
		return map[string]library{
			"libmodel.so.1": {machine: elf.EM_X86_64, needs: []string{"libstdc++.so.6", "libc.so.6"},
				versions: map[string][]string{"libstdc++.so.6": {"GLIBCXX_3.4.22"}, "libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.34"}}},
			"libstdc++.so.6": {machine: elf.EM_X86_64, needs: []string{"libm.so.6"}, offers: []string{"GLIBCXX_3.4", "GLIBCXX_3.4.22"},
				versions: map[string][]string{"libc.so.6": {"GLIBC_2.18"}}},
		}
	}
	for _, tc := range []struct {
		name   string
		change func(map[string]library)
		fault  string // a word of it
	}{
		{"whole", func(map[string]library) {}, ""},
		{"a library is missing", func(all map[string]library) { delete(all, "libstdc++.so.6") }, "needs libstdc++.so.6"},
		{"a library is too old for another", func(all map[string]library) {
			l := all["libstdc++.so.6"]
			l.offers = l.offers[:1]
			all["libstdc++.so.6"] = l
		}, "GLIBCXX_3.4.22"},
		{"of a newer system", func(all map[string]library) { all["libmodel.so.1"].versions["libc.so.6"][0] = "GLIBC_2.36" }, "GLIBC_2.36"},
		{"of a newer major version", func(all map[string]library) { all["libmodel.so.1"].versions["libc.so.6"][0] = "GLIBC_3.1" }, "GLIBC_3.1"},
		{"of no version", func(all map[string]library) { all["libmodel.so.1"].versions["libc.so.6"][0] = "GLIBC_PRIVATE" }, "GLIBC_PRIVATE"},
		{"of two architectures", func(all map[string]library) {
			l := all["libstdc++.so.6"]
			l.machine = elf.EM_AARCH64
			all["libstdc++.so.6"] = l
		}, "2 architectures"},
	} {
		all := runtime()
		tc.change(all)
		got := strings.Join(check(all), "; ")
		if (tc.fault == "") != (got == "") || !strings.Contains(got, tc.fault) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.fault)
		}
	}
}

// ONNX Runtime alone lacks the C++ runtime, which `make dist` puts next to it, and
// nothing else.
func TestONNXRuntimeNeedsTheCXXRuntime(t *testing.T) {
	for _, arch := range []string{"x64", "arm64"} {
		all, err := read("../../node_modules/onnxruntime-node/bin/napi-v6/linux/" + arch)
		if err != nil {
			t.Fatal(err)
		}
		for name := range all {
			if name != "libonnxruntime.so.1" {
				delete(all, name)
			}
		}
		got := strings.Join(check(all), "; ")
		if !strings.Contains(got, "libgcc_s.so.1") || !strings.Contains(got, "libstdc++.so.6") || strings.Count(got, ";") != 1 {
			t.Errorf("%s: %s", arch, got)
		}
	}
}
