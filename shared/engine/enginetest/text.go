package enginetest

// Words is a classifier of strings, [N, 1] or any such, as scikit-learn's text models
// are exported: the word "yes" has the scores 0 and 1, "no" has 1 and 0, and any other
// text 0.5 and 0.5.
func Words() []byte {
	return Graph{
		Inputs:  []Value{{Name: "strings", Type: String, Shape: []int64{-1, 1}}},
		Outputs: []Value{{Name: "probabilities", Type: Float32, Shape: []int64{-1, 2}}},
		Weights: []Weight{{Name: "factor", Shape: []int64{2}, Data: []float32{-1, 1}}, {Name: "offset", Shape: []int64{2}, Data: []float32{1, 0}}},
		Nodes: []Node{
			{Op: "LabelEncoder", Domain: ML, Inputs: []string{"strings"}, Outputs: []string{"known"}, Attributes: []Attribute{
				{Name: "keys_strings", Strings: []string{"yes", "no"}}, {Name: "values_floats", Floats: []float32{1, 0}}, {Name: "default_float", Float: 0.5},
			}},
			{Op: "Mul", Inputs: []string{"known", "factor"}, Outputs: []string{"signed"}},
			{Op: "Add", Inputs: []string{"signed", "offset"}, Outputs: []string{"probabilities"}},
		},
	}.Bytes()
}

// Tokens takes what a tokenizer makes of a text, of a length or -1 for any, and gives
// it back: input_ids as ids, attention_mask as mask.
func Tokens(length int64) []byte {
	shape := []int64{-1, length}
	return Graph{
		Inputs:  []Value{{Name: "input_ids", Type: Int64, Shape: shape}, {Name: "attention_mask", Type: Int64, Shape: shape}},
		Outputs: []Value{{Name: "ids", Type: Int64, Shape: shape}, {Name: "mask", Type: Int64, Shape: shape}},
		Nodes: []Node{
			{Op: "Identity", Inputs: []string{"input_ids"}, Outputs: []string{"ids"}},
			{Op: "Identity", Inputs: []string{"attention_mask"}, Outputs: []string{"mask"}},
		},
	}.Bytes()
}

// Tokenizer is a tokenizer.json of three words: "[UNK]" 0, "yes" 1, "no" 2, cut after
// maxTokens tokens.
func Tokenizer(maxTokens string) []byte {
	return []byte(`{"truncation":{"direction":"Right","max_length":` + maxTokens + `,"strategy":"LongestFirst","stride":0},
		"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"BertPreTokenizer"},
		"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0,"yes":1,"no":2}}}`)
}
