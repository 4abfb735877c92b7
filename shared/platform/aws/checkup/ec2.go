package checkup

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

// ec2Version is the version of EC2's query API.
const ec2Version = "2016-11-15"

// maxAnswerBytes bounds what is read of one answer of EC2.
const maxAnswerBytes = 8 << 20

// EC2Client makes three calls of EC2's query API. Compiling the SDK's package of EC2,
// with its hundreds of operations, would take a quarter of the time of the first build.
type EC2Client struct {
	SDK aws.Config
	Now func() time.Time
}

// Subnet is a subnet of a network.
type Subnet struct {
	VPC    string `xml:"vpcId"`
	Zone   string `xml:"availabilityZone"`
	ZoneID string `xml:"availabilityZoneId"`
}

// SecurityGroup is a security group with its rules.
type SecurityGroup struct {
	ID      string     `xml:"groupId"`
	Ingress []struct{} `xml:"ipPermissions>item"`
	Egress  []struct{} `xml:"ipPermissionsEgress>item"`
}

// Subnets returns the subnets of some ids.
func (c EC2Client) Subnets(ctx context.Context, ids []string) ([]Subnet, error) {
	form := url.Values{}
	list(form, "SubnetId", ids)
	var out struct {
		Subnets []Subnet `xml:"subnetSet>item"`
	}
	err := c.call(ctx, "DescribeSubnets", form, &out)
	return out.Subnets, err
}

// DefaultGroups returns the default security group of a network.
func (c EC2Client) DefaultGroups(ctx context.Context, vpc string) ([]SecurityGroup, error) {
	form := url.Values{}
	filter(form, 1, "vpc-id", []string{vpc})
	filter(form, 2, "group-name", []string{"default"})
	var out struct {
		Groups []SecurityGroup `xml:"securityGroupInfo>item"`
	}
	err := c.call(ctx, "DescribeSecurityGroups", form, &out)
	return out.Groups, err
}

// Offered returns which of some instance types a zone offers.
func (c EC2Client) Offered(ctx context.Context, zone string, types []string) ([]string, error) {
	form := url.Values{"LocationType": {"availability-zone"}}
	filter(form, 1, "location", []string{zone})
	filter(form, 2, "instance-type", types)
	var out struct {
		Types []string `xml:"instanceTypeOfferingSet>item>instanceType"`
	}
	err := c.call(ctx, "DescribeInstanceTypeOfferings", form, &out)
	return out.Types, err
}

// list adds a list to a form as the query API wants it, counted from 1.
func list(form url.Values, name string, values []string) {
	for i, v := range values {
		form.Set(fmt.Sprintf("%s.%d", name, i+1), v)
	}
}

func filter(form url.Values, n int, name string, values []string) {
	form.Set(fmt.Sprintf("Filter.%d.Name", n), name)
	list(form, fmt.Sprintf("Filter.%d.Value", n), values)
}

// call makes one signed call and decodes its answer. An error of EC2 is a smithy.APIError.
func (c EC2Client) call(ctx context.Context, action string, form url.Values, out any) error {
	form.Set("Action", action)
	form.Set("Version", ec2Version)
	r, err := c.request(ctx, form.Encode())
	if err != nil {
		return err
	}
	answer, err := c.SDK.HTTPClient.Do(r)
	if err != nil {
		return fmt.Errorf("call EC2's %s: %w", action, err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read the answer of EC2's %s: %w", action, err)
	}
	if answer.StatusCode != http.StatusOK {
		return refusal(answer.Status, raw)
	}
	if err := xml.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("decode the answer of EC2's %s: %w", action, err)
	}
	return nil
}

// request is a signed request of EC2.
func (c EC2Client) request(ctx context.Context, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a request of EC2: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := discovery.NewSignature(c.SDK.Credentials, "ec2", c.SDK.Region, c.Now).Sign(r, []byte(body)); err != nil {
		return nil, err
	}
	return r, nil
}

// endpoint is where the region's EC2 is, or what stands in for it.
func (c EC2Client) endpoint() string {
	if c.SDK.BaseEndpoint != nil {
		return strings.TrimSuffix(*c.SDK.BaseEndpoint, "/") + "/"
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(c.SDK.Region, "cn-") {
		domain += ".cn"
	}
	return fmt.Sprintf("https://ec2.%s.%s/", c.SDK.Region, domain)
}

// refusal is the error that EC2 answered with.
func refusal(status string, raw []byte) error {
	var said struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	if err := xml.Unmarshal(raw, &said); err != nil || said.Code == "" {
		return &smithy.GenericAPIError{Code: status, Message: "EC2 gave no reason"}
	}
	return &smithy.GenericAPIError{Code: said.Code, Message: said.Message}
}
