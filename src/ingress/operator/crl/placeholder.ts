/**
 * A list that covers no client, because HAProxy does not start with an empty file: it refuses all client certificates.
 * From `openssl ca -gencrl` with a key that was deleted; it expired in 2020.
 */
export const placeholder = `-----BEGIN X509 CRL-----
MIGXMEswBQYDK2VwMCQxIjAgBgNVBAMMGWVncmVzcy1yb3V0ZXIgcGxhY2Vob2xk
ZXIXDTIwMDEwMTAwMDAwMFoXDTIwMDEwMjAwMDAwMFowBQYDK2VwA0EA6yjW0Hlz
PkoJW5TJk3xPZ3TshWuJnxKEA5fUqW4iwsA14Fmb9U9meiDX0lIQ6Dx3E4Tb98d5
gHsz+B4ZH+lBCQ==
-----END X509 CRL-----
`;
