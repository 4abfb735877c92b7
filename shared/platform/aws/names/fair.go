package names

// FairQueues says whether messages name their owners to SQS: "true" or "false".
const FairQueues = "PARAGON_FAIR_QUEUES"
