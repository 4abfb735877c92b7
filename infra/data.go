package infra

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// data is where records of queries, the stage's state and uploads are kept.
type data struct {
	state, records awsdynamodb.Table
	uploads        awss3.Bucket
	models         awss3.Bucket // that operators add to the catalogue
}

// makeData makes the tables and the bucket.
func (s *stack) makeData() data {
	var d data
	d.state = s.table("State", names.StateTTL, key(names.StateKey), key(names.StateSort))
	d.records = s.table("Records", names.RecordTTL, key(names.RecordKey), key(names.RecordSort))
	s.warmTable(d.records)
	// Uploads are inputs, of use for as long as their query: what is left of a
	// destroyed stage empties itself and then costs nothing.
	logs := s.bucket("UploadLogs", nil, forget(float64(s.LogDays)))
	d.uploads = s.bucket("Uploads", logs, forget(1))
	d.models = s.bucket("Models", logs, &awss3.LifecycleRule{
		Id: text("forget-replaced"), NoncurrentVersionExpiration: days(replacedDays), ExpiredObjectDeleteMarker: jsii.Bool(true), AbortIncompleteMultipartUploadAfter: days(1),
	})
	return d
}

// replacedDays is for how long a catalogue of models that was written over, and a model
// that was removed, can be had back.
const replacedDays = 30

// forget deletes what is older than its days.
func forget(keepDays float64) *awss3.LifecycleRule {
	return &awss3.LifecycleRule{Id: text("forget"), Expiration: days(keepDays), AbortIncompleteMultipartUploadAfter: days(1)}
}

// bucket is closed to the public, encrypted, takes TLS alone, and deletes by its rule:
// with one for what was replaced, it keeps versions. With logs, every access is logged
// there.
func (s *stack) bucket(id string, logs awss3.Bucket, rule *awss3.LifecycleRule) awss3.Bucket {
	props := &awss3.BucketProps{
		Encryption: awss3.BucketEncryption_S3_MANAGED, EnforceSSL: jsii.Bool(true), MinimumTLSVersion: jsii.Number(1.2),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(), ObjectOwnership: awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		LifecycleRules: &[]*awss3.LifecycleRule{rule}, Versioned: jsii.Bool(rule.NoncurrentVersionExpiration != nil),
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
	}
	if logs != nil {
		props.ServerAccessLogsBucket = logs
	}
	return awss3.NewBucket(s.Stack, text(id), props)
}

// table is paid by use, encrypted, recoverable to any second of its last days
// and forgets what has expired.
func (s *stack) table(id, ttl string, partition, sort *awsdynamodb.Attribute) awsdynamodb.Table {
	return awsdynamodb.NewTable(s.Stack, text(id), &awsdynamodb.TableProps{
		PartitionKey: partition, SortKey: sort, TimeToLiveAttribute: text(ttl),
		BillingMode: awsdynamodb.BillingMode_PAY_PER_REQUEST, Encryption: awsdynamodb.TableEncryption_DEFAULT,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: jsii.Bool(true)},
		DeletionProtection:               jsii.Bool(s.protected()), RemovalPolicy: s.kept(),
	})
}

// key is a text attribute of a key.
func key(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: text(name), Type: awsdynamodb.AttributeType_STRING}
}

// pascal turns a_name or a-name into the form of logical ids.
func pascal(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// days is a duration.
func days(n float64) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(n)) }

// seconds is a duration.
func seconds(n float64) awscdk.Duration { return awscdk.Duration_Seconds(jsii.Number(n)) }
