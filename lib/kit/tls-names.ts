// Versions, cipher suites and curves of TLS as Go's users write them, in the words of OpenSSL.
// Source: Go's crypto/tls constants; OpenSSL's ciphers(1). Owns the mapping.
import type { SecureContextOptions } from 'node:tls'
import { MnemoError } from './errors.ts'

const curves: ReadonlyMap<string, string> = new Map([
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
  ['X25519', 'X25519'],
])

/** TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256; those of TLS 1.3 are the same in both. */
function cipherOf(name: string): string {
  if (!name.includes('_WITH_')) return name
  return name
    .replace(/^TLS_(RSA_WITH_)?/, '')
    .replace('_WITH_', '_')
    .replace(/AES_(\d+)(_CBC)?/, 'AES$1')
    .replace(/(CHACHA20_POLY1305)_SHA256$/, '$1')
    .replaceAll('_', '-')
}

function curveOf(name: string): string {
  const curve = curves.get(name)
  if (curve === undefined)
    throw new MnemoError('config', `got curve ${name}, want one of ${[...curves.keys()].join(', ')}`)
  return curve
}

/** The options of a secure context; without names those of Node.js. Throws `config` for a curve that is not known. */
export function tlsNames(
  suites: readonly string[],
  curveNames: readonly string[],
): Pick<SecureContextOptions, 'ciphers' | 'ecdhCurve'> {
  return {
    ...(suites.length > 0 && { ciphers: suites.map(cipherOf).join(':') }),
    ...(curveNames.length > 0 && { ecdhCurve: curveNames.map(curveOf).join(':') }),
  }
}
