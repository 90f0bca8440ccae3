package evidence

import "math"

// Probabilities of a thousand million events are differences of large, nearly
// equal logarithms. The functions below compute these differences by formulas and
// do not subtract: math.Lgamma of 10^9 has only eight places after the decimal
// point. The formulas are those of Loader (2000, "Fast and accurate
// computation of binomial probabilities") and of DiDonato and Morris (1992,
// "Algorithm 708: significant digit computation of the incomplete beta function
// ratios").

// stirlingFrom is from where on the series of stirlingRest has all digits.
const stirlingFrom = 10

// stirlingRest is the error of Stirling's formula for the logarithm of the gamma
// function: log Γ(x) - ((x-1/2) log x - x + log(2π)/2), for x >= stirlingFrom
// (Abramowitz and Stegun 6.1.41).
func stirlingRest(x float64) float64 {
	v := 1 / (x * x)
	return (1./12 - v*(1./360-v*(1./1260-v*(1./1680-v*(1./1188-v*(691./360360-v/156)))))) / x
}

// deviance is x log(x/m) + m - x for x and m not negative, given their
// difference d = m - x, which decides how exact it is: half a unit of Poisson
// deviance (Loader's bd0). It is +Inf where m is 0 and x is not.
func deviance(x, m, d float64) float64 {
	switch {
	case x == 0:
		return m
	case !(math.Abs(d) < x/3):
		return d - x*(math.Log(m)-math.Log(x)) // the quotient could be too large
	}
	// log(m/x) = 2 atanh(r); its first term cancels almost all of d.
	r := d / (2*x + d)
	sum, power := 0.0, r*r
	for k := 3.0; sum+power/k != sum; k += 2 {
		sum += power / k
		power *= r * r
	}
	return r * (d - 2*x*sum)
}

// logBetaDensity is log(p^a (1-p)^b / B(a, b)), the density of Beta(a, b) at p
// times p(1-p), to a rounding error even where each of the three is of the size
// of 10^9. p is in [0, 1], a and b are positive and finite.
func logBetaDensity(p, a, b float64) float64 {
	if min(a, b) < stirlingFrom {
		return a*math.Log(p) + b*math.Log1p(-p) - logBeta(min(a, b), max(a, b))
	}
	d := meanExcess(p, a, b)
	rest := stirlingRest(a) + stirlingRest(b) - stirlingRest(a+b)
	return math.Log(a/(a+b)*b/(2*math.Pi))/2 - rest - deviance(a, (a+b)*p, d) - deviance(b, (a+b)*(1-p), -d)
}

// meanExcess is (a+b)p - a, to a rounding error of the smaller of a and b where
// p is near their mean.
func meanExcess(p, a, b float64) float64 { return b*p - a*(1-p) }

// logBeta is the logarithm of the beta function for a <= b and a below
// stirlingFrom.
func logBeta(a, b float64) float64 {
	lgA, _ := math.Lgamma(a)
	if b < stirlingFrom {
		lgB, _ := math.Lgamma(b)
		lgBoth, _ := math.Lgamma(a + b)
		return lgA + lgB - lgBoth
	}
	rise := (a-.5)*math.Log1p(a/b) + a*math.Log(b) - deviance(b, a+b, a) // log Γ(a+b)/Γ(b) but for the rests
	return lgA - rise + stirlingRest(b) - stirlingRest(a+b)
}
