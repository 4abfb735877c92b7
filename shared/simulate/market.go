package simulate

import "github.com/paragon-serving/paragon/shared/core/profile"

// The markets that the evaluation is made in. Latencies and prices are never
// mixed across them.
//
// paper2020 is the paper's time: five MXNet models on c5.large as InferAll
// measured them, functions of 3008 MB billed by 100 ms. cocktail2022 is one engine
// on both kinds of resource at today's prices: the twelve models with the latencies
// that Cocktail published (NSDI 2022), whose time on a vCPU is the same on a worker and on a function of one vCPU, billed
// by the millisecond.
const (
	Paper2020    = "paper2020"
	Cocktail2022 = "cocktail2022"
)

// MarketNames lists the markets.
func MarketNames() []string { return []string{Paper2020, Cocktail2022} }

// Markets makes both from the catalogue of published models with the prices of
// 2020 and of today.
func Markets(c *profile.Catalogue, then, now profile.Prices) map[string]Market {
	old, today := *c, *c
	old.Prices, today.Prices = then, now
	return map[string]Market{
		Paper2020: {
			Name: Paper2020, Catalogue: &old, InstanceType: "c5.large", FunctionMB: 3008, Arch: "x86_64",
			Models: []string{"SqueezeNet", "CaffeNet", "Inception-BN", "VGG16-MXNet", "ResNet200"},
		},
		Cocktail2022: {
			Name: Cocktail2022, Catalogue: &today, InstanceType: "c5.large", FunctionMB: 1769, Arch: "x86_64",
			Models: []string{
				"NASNetLarge", "InceptionResNetV2", "Xception", "InceptionV3", "DenseNet201", "ResNet50V2",
				"DenseNet121", "ResNet50", "NASNetMobile", "MobileNetV2", "VGG16", "MobileNet",
			},
		},
	}
}
