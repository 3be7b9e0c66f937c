// Package statistics has the tests by which differences are told from noise.
package statistics

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mean is the mean of values and its standard error, NaN for a single one.
func Mean(values []float64) (m, se float64) {
	if len(values) == 1 {
		return values[0], math.NaN()
	}
	m, sd := stat.MeanStdDev(values, nil)
	return m, sd / math.Sqrt(float64(len(values)))
}

// TTest is the two-sided p-value of the t-test that the mean of n values is 0 (Student,
// 1908); of differences, the paired one.
func TTest(mean, se float64, n int) float64 {
	switch {
	case n < 2:
		return math.NaN()
	case se > 0:
		return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.CDF(-math.Abs(mean)/se)
	case mean == 0:
		return 1
	}
	return 0
}

// ZTest is the two-sided p-value that a normal value of known standard error has the mean 0.
func ZTest(value, se float64) float64 {
	switch {
	case se > 0:
		return 2 * distuv.UnitNormal.CDF(-math.Abs(value)/se)
	case math.IsNaN(se):
		return math.NaN()
	case value == 0:
		return 1
	}
	return 0
}

// McNemar is the exact two-sided p-value that of paired yes-or-no outcomes a change one
// way is as likely as the other (McNemar, 1947): of the binomial distribution with
// probability a half, a and b being the changes each way.
func McNemar(a, b int) float64 {
	if a == b {
		return 1
	}
	k, n := float64(min(a, b)), float64(a+b)
	// P(X ≤ k) is the regularised incomplete beta function of 1/2.
	return min(1, 2*mathext.RegIncBeta(n-k, k+1, 0.5))
}

// Holm corrects p-values for being several (Holm, 1979). NaN stays and does not count.
func Holm(p []float64) []float64 {
	order := make([]int, 0, len(p))
	for i := range p {
		if !math.IsNaN(p[i]) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected := slices.Clone(p)
	largest := 0.0
	for rank, i := range order {
		largest = max(largest, min(1, float64(len(order)-rank)*p[i]))
		corrected[i] = largest
	}
	return corrected
}
