package checkup

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// ec2Server answers every call alike, and keeps the form of the newest one.
type ec2Server struct {
	status int
	answer string
	form   url.Values
	signed string
}

func (s *ec2Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body) // a body cut short is another form
	s.form, _ = url.ParseQuery(string(raw))
	s.signed = r.Header.Get("Authorization")
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.answer)
}

// clientOf is a client of a server that stands in for EC2.
func clientOf(t *testing.T, s *ec2Server) EC2Client {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return EC2Client{Now: time.Now, SDK: aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}}
}

// What is asked of EC2 is asked as the SDK asks it, and the answer is read as AWS's
// reference writes it.
func TestEC2IsAskedAsTheSDKAsksIt(t *testing.T) {
	filterOf := func(name string, values ...string) types.Filter { return types.Filter{Name: &name, Values: values} }
	for _, tc := range []struct {
		name, answer string
		ask          func(EC2Client) (any, error)
		asSDK        func(*ec2.Client) error
		want         any
	}{
		{
			"subnets", `<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><availabilityZone>eu-west-1a</availabilityZone><availabilityZoneId>euw1-az1</availabilityZoneId></item></subnetSet></DescribeSubnetsResponse>`,
			func(c EC2Client) (any, error) { return c.Subnets(t.Context(), []string{"subnet-1", "subnet-2"}) },
			func(c *ec2.Client) error {
				_, err := c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-1", "subnet-2"}})
				return err
			},
			[]Subnet{{VPC: "vpc-1", Zone: "eu-west-1a", ZoneID: "euw1-az1"}},
		},
		{
			"security groups", `<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId><ipPermissions/><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol></item></ipPermissionsEgress></item></securityGroupInfo></DescribeSecurityGroupsResponse>`,
			func(c EC2Client) (any, error) { return c.DefaultGroups(t.Context(), "vpc-1") },
			func(c *ec2.Client) error {
				_, err := c.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filterOf("vpc-id", "vpc-1"), filterOf("group-name", "default")}})
				return err
			},
			[]SecurityGroup{{ID: "sg-1", Egress: make([]struct{}, 1)}},
		},
		{
			"offered types", `<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet><item><instanceType>c5.large</instanceType></item><item><instanceType>m5.large</instanceType></item></instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>`,
			func(c EC2Client) (any, error) {
				return c.Offered(t.Context(), "eu-west-1a", []string{"c5.large", "m5.large"})
			},
			func(c *ec2.Client) error {
				_, err := c.DescribeInstanceTypeOfferings(t.Context(), &ec2.DescribeInstanceTypeOfferingsInput{
					LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filterOf("location", "eu-west-1a"), filterOf("instance-type", "c5.large", "m5.large")},
				})
				return err
			},
			[]string{"c5.large", "m5.large"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &ec2Server{status: http.StatusOK, answer: tc.answer}
			c := clientOf(t, s)
			got, err := tc.ask(c)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("it got %+v, %v", got, err)
			}
			if !strings.Contains(s.signed, "/eu-west-1/ec2/aws4_request") {
				t.Errorf("it is signed as %q", s.signed)
			}
			asked := s.form
			if err := tc.asSDK(ec2.NewFromConfig(c.SDK)); err != nil || !reflect.DeepEqual(asked, s.form) {
				t.Errorf("it asks %v, the SDK %v (%v)", asked, s.form, err)
			}
		})
	}
}

// What EC2 refuses is an error with EC2's code, as of any other service.
func TestARefusalOfEC2HasItsCode(t *testing.T) {
	s := &ec2Server{status: http.StatusForbidden, answer: `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not you</Message></Error></Errors></Response>`}
	_, err := clientOf(t, s).Subnets(t.Context(), []string{"subnet-1"})
	if f := unread("zones", err); !strings.Contains(f.Do, "operator") || !strings.Contains(f.Found, "not you") {
		t.Errorf("the finding is %+v", f)
	}
	s.status, s.answer = http.StatusBadGateway, "no XML"
	_, err = clientOf(t, s).Subnets(t.Context(), []string{"subnet-1"})
	if service := smithy.APIError(nil); !errors.As(err, &service) || !strings.HasPrefix(service.ErrorCode(), "502") {
		t.Errorf("the error is %v", err)
	}
}

// Without a test server EC2 is where the region has it.
func TestTheEndpointOfEC2(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "https://ec2.eu-west-1.amazonaws.com/", "cn-north-1": "https://ec2.cn-north-1.amazonaws.com.cn/"} {
		if got := (EC2Client{SDK: aws.Config{Region: region}}).endpoint(); got != want {
			t.Errorf("%s is at %s", region, got)
		}
	}
}
