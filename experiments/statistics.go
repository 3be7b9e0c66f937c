package experiments

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"mobilellm/internal/statistics"
)

const (
	// alpha is the probability of calling a difference real where there is none.
	alpha = 0.05
	// power is the probability of seeing a difference that is there, by which the
	// smallest detectable one and the seeds needed are counted.
	power = 0.8
	// mostSeeds bounds the search for the seeds needed.
	mostSeeds = 1000
)

// Difference is a member's loss minus the baseline's, seed by seed.
type Difference struct {
	Pairs int
	Mean  float64
	SE    float64
	P     float64 // of the paired t-test, two-sided
	PHolm float64 // corrected for the comparisons within the group
	MDE   float64 // smallest true difference that so many seeds show with that power
	Seeds int     // that it would take to tell a difference of Mean; 0 where more than mostSeeds
}

// Real says whether the difference is beyond noise.
func (d Difference) Real() bool { return d.PHolm < alpha }

// paired compares by the paired t-test (Student, 1908). Two pairs is the least.
func paired(differences []float64) Difference {
	n := len(differences)
	d := Difference{Pairs: n, P: math.NaN(), PHolm: math.NaN(), MDE: math.NaN()}
	if n == 0 {
		d.Mean, d.SE = math.NaN(), math.NaN()
		return d
	}
	d.Mean, d.SE = statistics.Mean(differences)
	if n < 2 {
		return d
	}
	sd := d.SE * math.Sqrt(float64(n))
	d.P = statistics.TTest(d.Mean, d.SE, n)
	d.MDE = detectable(sd, n)
	d.Seeds = seedsNeeded(d.Mean, sd)
	return d
}

// powerOf is the probability that the two-sided paired t-test with n pairs calls a
// true difference real that is effect standard deviations large. Under it the
// statistic has the noncentral t distribution, whose tails are
//
//	P(T > c) = ∫ Φ(δ − c·s) f(s) ds,  δ = effect·√n,
//
// s² being χ² with n − 1 degrees of freedom over that number.
func powerOf(effect float64, n int) float64 {
	nu := float64(n - 1)
	c := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: nu}.Quantile(1 - alpha/2)
	delta := math.Abs(effect) * math.Sqrt(float64(n))
	chi := distuv.ChiSquared{K: nu}
	beyond := func(s float64) float64 {
		density := 2 * nu * s * chi.Prob(nu*s*s)
		return density * (distuv.UnitNormal.CDF(delta-c*s) + distuv.UnitNormal.CDF(-delta-c*s))
	}
	// Beyond this s has a density below 1e-12.
	upper := 1 + 8/math.Sqrt(nu)
	return quad.Fixed(beyond, 0, upper, 200, quad.Legendre{}, 0)
}

// detectable is the smallest true difference that n pairs with that standard
// deviation show with the wanted power.
func detectable(sd float64, n int) float64 {
	low, high := 0.0, 1.0
	for powerOf(high, n) < power {
		high *= 2
	}
	for range 60 {
		middle := (low + high) / 2
		if powerOf(middle, n) < power {
			low = middle
		} else {
			high = middle
		}
	}
	return high * sd
}

// seedsNeeded is the least number of pairs that shows a true difference with the
// wanted power, 0 where that is more than mostSeeds.
func seedsNeeded(difference, sd float64) int {
	if sd == 0 {
		if difference == 0 {
			return 0
		}
		return 2
	}
	for n := 2; n <= mostSeeds; n++ {
		if powerOf(difference/sd, n) >= power {
			return n
		}
	}
	return 0
}

// Correlation says how far two orders agree: 1 for the same order, -1 for the
// reverse.
type Correlation struct {
	Members  int
	Spearman float64
	Kendall  float64 // tau-b
}

// correlate compares two orders. NaN where one of them has no order.
func correlate(x, y []float64) Correlation {
	c := Correlation{Members: len(x), Spearman: math.NaN(), Kendall: math.NaN()}
	if len(x) < 2 {
		return c
	}
	c.Spearman = stat.Correlation(ranks(x), ranks(y), nil)
	var agree, tiesX, tiesY, pairs float64
	for i := range x {
		for j := range i {
			a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
			agree += a * b
			pairs++
			if a == 0 {
				tiesX++
			}
			if b == 0 {
				tiesY++
			}
		}
	}
	c.Kendall = agree / math.Sqrt((pairs-tiesX)*(pairs-tiesY))
	return c
}

// ranks are the places of values in their order; equal ones share theirs.
func ranks(values []float64) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		below, equal := 0, 0
		for _, w := range values {
			switch {
			case w < v:
				below++
			case w == v:
				equal++
			}
		}
		list[i] = float64(below) + float64(equal+1)/2
	}
	return list
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
