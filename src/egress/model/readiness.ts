/**
 * Condition of a router's pod by which the node daemon reports whether the router works. The pod names it as a
 * readiness gate, so that Kubernetes sends a Service's clients to it only while the condition is True
 * (Kubernetes, "Pod Lifecycle", section "Pod readiness").
 */
export const readinessCondition = 'egress-router.io/router-ready';
