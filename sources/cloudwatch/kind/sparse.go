package kind

import "strings"

// sparse reports whether a metric of what went wrong may have values only where
// something did. It knows the failures that load balancers and API
// Gateway count. Amazon says of most of an Application Load Balancer's that they are
// reported where they are not zero. API Gateway's come with each request or with those
// that failed, by the kind of the API. Where no value is missing none is filled in: to
// say that missing ones are zero is right for all of them.
func sparse(namespace, metric string) bool {
	switch namespace {
	case "AWS/ApplicationELB", "AWS/ELB":
		return response(metric) || strings.Contains(metric, "Error")
	case "AWS/ApiGateway":
		switch metric {
		case "5XXError", "4XXError", "5xx", "4xx", "ClientError", "ExecutionError", "IntegrationError":
			return true
		}
	}
	return false
}

// response reports whether a metric counts answers that say what went wrong:
// "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_502_Count", "HTTPCode_Backend_5XX".
func response(metric string) bool {
	class, ok := strings.CutPrefix(strings.TrimSuffix(metric, "_Count"), "HTTPCode_")
	if !ok {
		return false
	}
	_, code, _ := strings.Cut(class, "_")
	return strings.HasPrefix(code, "4") || strings.HasPrefix(code, "5")
}
