import type { Settings } from './model.ts';
import { quoteWord } from './quote.ts';

/** Returns the words of a bind line that verify client certificates. */
export function clientTlsWords({ clientTls }: Settings): readonly string[] {
  if (clientTls === undefined) return [];
  const revocations = clientTls.revocations === undefined ? [] : ['crl-file ca/revoked.pem'];
  return [`ca-file ca/clients.pem verify ${clientTls.verify}`, ...revocations];
}

/** The headers that {@link clientCertificates} sets, with any mixture of "-" and "_". */
const sslHeaders = '^x[-_]ssl([-_](issuer|client[-_](verify|serial|version|sha1|dn|cn|notbefore|notafter|der)))?$';

/**
 * Returns the rules that reject other subjects and set the headers that describe the client's certificate.
 *
 * @param isMixed whether connections without TLS use the same rules
 */
export function clientCertificates(settings: Settings, { isMixed = false } = {}): string {
  const { clientTls } = settings;
  if (clientTls === undefined) return '';
  const [condition, also] = isMixed ? [' if { ssl_fc }', '{ ssl_fc } '] : ['', ''];
  const filter = clientTls.subjectFilter;
  const rules = [
    `del-header ${quoteWord(sslHeaders)} -m reg`,
    'set-header X-SSL %[ssl_fc]',
    'set-header X-SSL-Client-Verify %[ssl_c_verify]',
    'set-header X-SSL-Client-Serial %{+Q}[ssl_c_serial,hex]',
    'set-header X-SSL-Client-Version %{+Q}[ssl_c_version]',
    'set-header X-SSL-Client-SHA1 %{+Q}[ssl_c_sha1,hex]',
    'set-header X-SSL-Client-DN %{+Q}[ssl_c_s_dn]',
    'set-header X-SSL-Client-CN %{+Q}[ssl_c_s_dn(cn)]',
    'set-header X-SSL-Issuer %{+Q}[ssl_c_i_dn]',
    'set-header X-SSL-Client-NotBefore %{+Q}[ssl_c_notbefore]',
    'set-header X-SSL-Client-NotAfter %{+Q}[ssl_c_notafter]',
    'set-header X-SSL-Client-DER %{+Q}[ssl_c_der,base64]',
  ].map((rule) => `  http-request ${rule}${condition}\n`);
  const deny =
    filter === undefined ? '' : `  http-request deny if ${also}!{ ssl_c_s_dn -m reg ${quoteWord(filter)} }\n`;
  return `${deny}${rules.join('')}`;
}
