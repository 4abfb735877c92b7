package infra

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	coreinference "github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// functions are the functions that serve queries, and the gateway before them.
type functions struct {
	api, dispatcher, controller served
	authorizer                  served // without a function where signatures are asked for
	gateway                     awsapigatewayv2.HttpApi
}

// served lists those that there are.
func (f functions) served() []served {
	return slices.DeleteFunc([]served{f.api, f.dispatcher, f.controller, f.authorizer}, func(f served) bool { return f.Function == nil })
}

// inference are the inference functions: one a model and memory size, and generic ones.
type inference struct {
	all     []awslambda.Function
	generic []awslambda.Function // of them
}

// genericARNs are the functions that run any added model.
func (i inference) genericARNs() (arns []*string) {
	for _, f := range i.generic {
		arns = append(arns, f.FunctionArn())
	}
	return arns
}

// machine is the architecture of every function but the inference functions.
const machine = "arm64"

// made says how one function is made.
type made struct {
	id, name string // logical and Paragon's
	code     awslambda.Code
	arch     string
	memoryMB int
	seconds  float64
	env      map[string]*string
	may      []permission
	// reported functions log a line of Lambda's own about each call, which their callers
	// read: START, END and REPORT of the others cost more than they say.
	reported bool
}

// function makes a function with a role and a log group of its own.
func (s *stack) function(m made) awslambda.Function {
	name := names.Function(s.Config.Stage, m.name)
	logs := s.logGroup(m.id + "Log")
	props := &awslambda.FunctionProps{
		FunctionName: text(name), Code: m.code, Handler: text("bootstrap"),
		Runtime: awslambda.Runtime_PROVIDED_AL2023(), Architecture: architecture(m.arch),
		MemorySize: jsii.Number(float64(m.memoryMB)), Timeout: seconds(m.seconds), Environment: &m.env,
		ReservedConcurrentExecutions: s.reservation(m.name),
		LogGroup:                     logs, Role: s.role(m.id+"Role", "lambda.amazonaws.com", append(m.may, s.writeLog(logs))...),
	}
	if !m.reported {
		props.LoggingFormat = awslambda.LoggingFormat_JSON
		props.SystemLogLevelV2, props.ApplicationLogLevelV2 = awslambda.SystemLogLevel_WARN, awslambda.ApplicationLogLevel_INFO
	}
	return awslambda.NewFunction(s.Stack, text(m.id), props)
}

// reservation is how many environments only this function may have, and no
// more than these; nil when that is not said.
func (s *stack) reservation(function string) *float64 {
	if n := s.reserved(function); n > 0 {
		return jsii.Number(float64(n))
	}
	return nil
}

// code is what `make dist` built of a function for an architecture.
func (s *stack) code(arch, function string) awslambda.Code {
	return awslambda.Code_FromAsset(text(s.built(arch, function)), nil)
}

// built is the folder of a function or of the worker.
func (s *stack) built(arch, name string) string { return filepath.Join(s.AssetRoot, arch, name) }

func architecture(arch string) awslambda.Architecture {
	if arch == "arm64" {
		return awslambda.Architecture_ARM_64()
	}
	return awslambda.Architecture_X86_64()
}

// makeInference makes every inference function from one asset. They answer a
// request and may do nothing else, but read their model where a bucket has it.
func (s *stack) makeInference() (out inference) {
	for _, m := range s.models {
		env := map[string]*string{environment.Model: text(m.Name)}
		out.all = append(out.all, s.functionsOf(m, env, s.readProfiles(everything))...)
	}
	for _, m := range s.added {
		env := map[string]*string{environment.Model: text(m.Name), environment.Models: text(s.ownModels())}
		out.all = append(out.all, s.functionsOf(m, env, append(s.readProfiles(figuresOnly), s.ownFiles(modelstore.CatalogueFile, "s3:GetObject"), s.ownFiles(m.File, "s3:GetObject")))...)
	}
	for _, mb := range s.GenericSizes {
		env := map[string]*string{environment.Models: text(s.ownModels())}
		out.generic = append(out.generic, s.inferenceFunction(coreinference.GenericName(mb), mb, env,
			append(s.readProfiles(figuresOnly), s.ownFiles(everything, "s3:GetObject"))))
	}
	out.all = append(out.all, out.generic...)
	return out
}

// functionsOf makes the functions of a model, of each size that holds it.
func (s *stack) functionsOf(m *profile.Model, env map[string]*string, may []permission) (out []awslambda.Function) {
	for _, mb := range s.sizes {
		if mb >= m.MemoryMB { // the dispatcher asks for none that is smaller
			out = append(out, s.inferenceFunction(coreinference.FunctionName(m.Name, mb), mb, env, may))
		}
	}
	return out
}

// inferenceFunction makes one of them.
func (s *stack) inferenceFunction(name string, mb int, env map[string]*string, may []permission) awslambda.Function {
	env = maps.Clone(env)
	env[environment.Catalogue] = text(s.Catalogue)
	return s.function(made{
		id: pascal(name), name: name, code: s.code(s.FunctionArch, "inference"), arch: s.FunctionArch, memoryMB: mb, seconds: 30,
		env: s.addTraces(s.addProfiles(env)), may: slices.Clone(may), reported: true,
	})
}

// environment is the environment of every function that serves queries.
func (s *stack) environment() map[string]*string {
	var pools, types []string
	for _, p := range s.pools {
		pools, types = append(pools, p.name), append(types, p.InstanceTypes[0])
	}
	env := s.resourceNames()
	env[environment.Pool] = text(strings.Join(pools, ","))
	env[environment.InstanceType] = text(strings.Join(types, ","))
	return s.addFunctions(env)
}

// addFunctions adds which inference functions the stage has.
func (s *stack) addFunctions(env map[string]*string) map[string]*string {
	env[environment.Arch] = text(s.FunctionArch)
	env[names.FunctionMemory] = text(joined(s.sizes))
	if len(s.GenericSizes) > 0 {
		env[names.GenericMemory] = text(joined(s.GenericSizes))
	}
	var own []string
	for _, m := range s.added {
		own = append(own, m.Name+"="+m.SHA256[:digestLetters])
	}
	if len(own) > 0 {
		env[names.OwnFunctions] = text(strings.Join(own, ","))
	}
	return env
}

// digestLetters of a SHA-256 distinguish the files of a model; an environment has
// little room.
const digestLetters = 16

// joined are numbers, parted by commas.
func joined(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

// addOwners adds whose callers are one owner.
func (s *stack) addOwners(env map[string]*string) map[string]*string {
	if len(s.SharedRoles) > 0 {
		env[names.SharedRoles] = text(strings.Join(s.SharedRoles, " "))
	}
	return env
}

// resourceNames is what leads to the stage's queues, tables and bucket.
func (s *stack) resourceNames() map[string]*string {
	values, err := json.Marshal(s.settings)
	if err != nil {
		panic(err) // a map of words
	}
	return s.addTraces(s.addProfiles(map[string]*string{
		names.FairQueues: text(strconv.FormatBool(s.FairQueues)), names.Settings: text(string(values)),
		names.Stage: text(s.Config.Stage), environment.Catalogue: text(s.Catalogue), names.Front: text(s.Front),
		names.StateTable: s.data.state.TableName(), names.Bucket: s.data.uploads.BucketName(),
		environment.Models: text(s.ownModels()),
		names.RecordsTable: s.data.records.TableName(),
		names.QueueURLPrefix: text("https://sqs." + *awscdk.Aws_REGION() + "." + *awscdk.Aws_URL_SUFFIX() + "/" +
			*awscdk.Aws_ACCOUNT_ID() + "/" + names.Prefix(s.Config.Stage)),
	}))
}

// makeFunctions makes the api and the dispatcher with its source.
func (s *stack) makeFunctions() (f functions) {
	f.api = s.serve(made{
		id: "ApiFunction", name: "api", code: s.code(machine, "api"), arch: machine, memoryMB: pricing.APIMB, seconds: 29,
		env: s.addCallbacks(s.addKey(s.addOwners(s.environment()))), may: s.apiMay(),
	})
	f.dispatcher = s.serve(made{
		id: "Dispatcher", name: "dispatcher", code: s.code(machine, "dispatcher"), arch: machine, memoryMB: pricing.DispatcherMB, seconds: dispatcherSeconds,
		env: s.environment(), may: s.dispatcherMay(),
	})
	if s.Authorizer == byKeys {
		keys := "parameter" + names.KeysPath(s.Config.Stage)
		f.authorizer = s.serve(made{
			id: "Authorizer", name: "authorizer", code: s.code(machine, "authorizer"), arch: machine, memoryMB: 256, seconds: 10,
			env: map[string]*string{names.Stage: text(s.Config.Stage)},
			may: []permission{allow(on(s.arn("ssm", keys[:len(keys)-1])), "ssm:GetParametersByPath")},
		})
	}
	awslambda.NewCfnEventSourceMapping(s.Stack, text("DispatcherSource"), &awslambda.CfnEventSourceMappingProps{
		FunctionName: f.dispatcher.alias.FunctionArn(), EventSourceArn: s.queues.by[platform.Overflow].QueueArn(),
		BatchSize: jsii.Number(10), FunctionResponseTypes: texts("ReportBatchItemFailures"),
		ScalingConfig: &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(float64(s.OverflowConcurrency))},
	})
	return f
}

// apiMay is what the api calls: it accepts, reads and cancels queries, keeps
// votes, reads the fleet for its status, and invokes inference functions for
// what overflows without a queue. It may itself be invoked by the gateway or
// the load balancer alone: anything else that could, could name any owner.
func (s *stack) apiMay() []permission {
	all := append(s.allWork(), platform.Overflow, platform.CallbackQueue)
	return append(append(s.readSettings(), s.readFigures()...),
		append(s.takeQueries(s.allWork()), allow(s.queueARNs(all...), "sqs:SendMessage"))...)
}

// takeQueries lets who takes queries in keep and list how they ended, keep votes,
// hand inputs over, read the fleet and the queues for the status, and invoke
// functions without a queue.
func (s *stack) takeQueries(work []platform.QueueName) []permission {
	return []permission{
		s.useRecords(),
		allow(on(s.data.state.TableArn()), "dynamodb:PutItem", "dynamodb:Query"),
		allow(s.queueARNs(slices.Concat(work, []platform.QueueName{platform.Overflow, platform.DeadLetters})...), "sqs:GetQueueAttributes"),
		s.uploads("s3:GetObject", "s3:PutObject"), s.inputs("s3:PutObject"),
		s.readKey(), allow(s.inferenceARNs(), "lambda:InvokeFunction"),
		describeGroups(), readMetrics(),
	}
}

// dispatcherMay is what the dispatcher calls: the overflow queue, the inference
// functions, and where a query goes that they throw back.
func (s *stack) dispatcherMay() []permission {
	return append(append(s.readSettings(), s.readFigures()...),
		allow(s.queueARNs(platform.Overflow), "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
		allow(s.queueARNs(append(s.allWork(), platform.DeadLetters, platform.CallbackQueue)...), "sqs:SendMessage"),
		allow(on(s.data.records.TableArn()), "dynamodb:BatchGetItem", "dynamodb:PutItem"),
		allow(s.inferenceARNs(), "lambda:InvokeFunction"),
		s.uploads("s3:GetObject"), s.inputs("s3:GetObject"),
	)
}

func (s *stack) inferenceARNs() (arns []*string) {
	for _, f := range s.inference.all {
		arns = append(arns, f.FunctionArn())
	}
	return arns
}
