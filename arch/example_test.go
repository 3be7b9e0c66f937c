package arch_test

import (
	"fmt"

	"mobilellm/arch"
)

func ExampleConfig() {
	c := arch.Default() // MobileLLM-125M
	c.LayerSharing.Strategy = arch.Immediate
	if err := c.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.ParameterCount(), c.Schedule().Len())
	// Output: 124635456 60
}
