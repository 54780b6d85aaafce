/** Folders in the agent's container, the same as in OpenShift's router. */
export const mountPaths = {
  certificate: '/etc/pki/tls/private',
  services: '/var/run/configmaps/service-ca',
  stats: '/var/lib/haproxy/conf/metrics-auth',
  metricsCertificate: '/etc/pki/tls/metrics-certs',
  clientAuthorities: '/etc/pki/tls/client-ca',
  revocationLists: '/etc/pki/tls/client-ca-crl',
  errorPages: '/var/lib/haproxy/conf/error_code_pages',
} as const;
