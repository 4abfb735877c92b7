package docs

import (
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	code     = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	linkTo   = regexp.MustCompile(`\]\(([a-z]+:[^)]*)\)`)
	bareLink = regexp.MustCompile(`https?://[^\s)\]>"|]+`)
)

// linkFault says what is wrong with a link to another site; "" where nothing is.
func linkFault(link string) string {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "http":
		if at, err := netip.ParseAddr(u.Hostname()); err == nil && at.IsLoopback() {
			return "" // this machine
		}
		return "it is not https"
	case u.Scheme != "https":
		return "it is not https"
	case !regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z]{2,}$`).MatchString(u.Host):
		return "its host is none"
	case u.User != nil || strings.TrimRight(link, ".,;:") != link:
		return "it has more than an address"
	}
	return ""
}

func TestLinkFault(t *testing.T) {
	for link, good := range map[string]bool{
		"https://go.dev/dl/": true, "http://127.0.0.1:8080": true, "https://a.example/b#c": true,
		"http://go.dev": false, "https://go": false, "https://go.dev/dl/.": false, "https://go dev/": false, "ftp://go.dev/": false, "https://me@go.dev/": false,
	} {
		if (linkFault(link) == "") != good {
			t.Errorf("%s: %q", link, linkFault(link))
		}
	}
}

// Links from the README and the pages to other sites are whole and go by TLS. Whether the
// sites have the pages is what `make links` asks.
func TestLinksToOtherSitesAreWellFormed(t *testing.T) {
	links := 0
	for _, pattern := range []string{"../*.md", "*.md", "lab/*.md", "../profiles/*/*.md", "../profiles/*/*/*.md"} {
		pages, err := filepath.Glob(pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no page is at %s (%v)", pattern, err)
		}
		for _, page := range pages {
			raw, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			text := code.ReplaceAllString(string(raw), "")
			var found []string
			for _, m := range linkTo.FindAllStringSubmatch(text, -1) {
				found = append(found, m[1])
			}
			if filepath.Base(page) != "cli.md" { // whose examples are no links
				found = append(found, bareLink.FindAllString(linkTo.ReplaceAllString(text, ""), -1)...)
			}
			for _, link := range found {
				links++
				if fault := linkFault(link); fault != "" {
					t.Errorf("%s: %s: %s", page, link, fault)
				}
			}
		}
	}
	if links < 80 {
		t.Errorf("%d links were checked", links)
	}
}

// `make links` fetches the pages' links, each once, and fails with those that do not answer.
func TestMakeLinksListsWhatFails(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nfor link; do :; done\necho \"$link\" >>" + bin + "/fetched\ncase $link in https://go.dev/*) exit 0;; *sagemaker*) echo 'curl: (22) 404' >&2; exit 22;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "curl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "make", "-s", "-C", "..", "links")
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := c.Output()
	if err == nil || !strings.Contains(string(out), "sagemaker/latest/dg/realtime-endpoints.html: curl: (22) 404") || strings.Contains(string(out), "bentoml") {
		t.Errorf("error %v:\n%s", err, out)
	}
	fetched, err := os.ReadFile(filepath.Join(bin, "fetched"))
	if lines := strings.Fields(string(fetched)); err != nil || len(lines) < 60 {
		t.Errorf("%d links were fetched, error %v", len(lines), err)
	}
}
