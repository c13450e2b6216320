// What S3's security keys do, against a real gateway over HTTPS: authorities, names, encryption, temporary keys, virtual hosts.
// Specification: Thanos docs/storage.md, "S3": http_config, sse_config, session_token, bucket_lookup_type.
// Owns a gateway with a certificate for server.test alone.
import { randomBytes } from 'node:crypto'
import dns from 'node:dns'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, test } from 'vitest'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { createBucket } from '../../../lib/objstore/config.ts'
import { startCeph, whyNoCeph } from '../../support/ceph.ts'
import { goldenPath } from '../../support/golden.ts'
import { hasCommand, run } from '../../support/process.ts'
import { fails } from './bucket-contract.ts'

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)
const noCurl = !hasCommand('curl')
if (noCurl) console.log('left out: temporary keys of S3 need curl, which asks the gateway for some')

const caFile = goldenPath('tls/ca.pem')
const trusted = `http_config: {tls_config: {ca_file: ${caFile}, server_name: server.test}}`
const keyId = 'key-1'

describe.skipIf(reason !== undefined)('S3 over HTTPS', async () => {
  if (reason !== undefined) return
  const ceph = await startCeph({
    tls: { certFile: goldenPath('tls/server.pem'), keyFile: goldenPath('tls/server.key') },
    isAdmin: true,
    rgwConfig: [
      'rgw crypt s3 kms backend = testing',
      'rgw dns name = server.test',
      `rgw crypt s3 kms encryption keys = ${keyId}=${randomBytes(32).toString('base64')}`,
      'rgw s3 auth use sts = true',
      'rgw sts key = abcdefghijklmnop',
    ],
  })
  const s3 = ceph.client()
  const folder = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-s3-tls-'))
  const closing: Bucket[] = []
  await ceph.createBucket('metrics')
  afterAll(async () => {
    for (const bucket of closing) await bucket.close()
    s3.destroy()
    await ceph.stop()
    await fs.rm(folder, { recursive: true })
  })

  const open = async (lines: readonly string[], change = (yaml: string) => yaml): Promise<Bucket> => {
    const bucket = await createBucket(change(ceph.config('metrics', { lines })))
    closing.push(bucket)
    return bucket
  }
  let count = 0
  const works = async (bucket: Bucket): Promise<string> => {
    const name = `object-${count++}`
    await bucket.upload(name, Buffer.from(name))
    expect((await buffer(await bucket.get(name))).toString()).toBe(name)
    return name
  }

  test('an authority of one’s own and the name in its certificate', async () => {
    await works(await open([trusted]))
  })

  test('a certificate that nobody vouches for, or for another name, is refused, and said so', async () => {
    const unknown = await open(['max_retries: 1'])
    const refused = (words: RegExp) => ({ code: 'config', cause: { message: expect.stringMatching(words) } })
    await expect(unknown.exists('object')).rejects.toMatchObject(refused(/unable to verify|self-signed|certificate/i))
    const otherName = await open(['max_retries: 1', `http_config: {tls_config: {ca_file: ${caFile}}}`])
    await expect(otherName.exists('object')).rejects.toMatchObject(refused(/altname|does not match/i))
  })

  test('insecure_skip_verify takes any certificate, in either place', async () => {
    await works(await open(['http_config: {insecure_skip_verify: true}']))
    await works(await open(['http_config: {tls_config: {insecure_skip_verify: true}}']))
  })

  test('a client certificate whose files are not there is a wrong configuration', async () => {
    const files = 'cert_file: /nowhere/client.pem, key_file: /nowhere/client.key'
    await fails('config', () => open([`http_config: {tls_config: {${files}}}`]))
    await fails('config', () => open(['http_config: {tls_config: {cert_file: /nowhere/client.pem}}']))
  })

  test('objects are encrypted by a key of the server, named in the configuration', async () => {
    const name = await works(await open([trusted, `sse_config: {type: SSE-KMS, kms_key_id: ${keyId}}`]))
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'metrics', Key: name }))
    expect([head.ServerSideEncryption, head.SSEKMSKeyId]).toEqual(['aws:kms', keyId])
  })

  test('objects are encrypted by a key of one’s own', async () => {
    const keyFile = path.join(folder, 'key')
    await fs.writeFile(keyFile, randomBytes(32))
    const name = await works(await open([trusted, `sse_config: {type: SSE-C, encryption_key: ${keyFile}}`]))
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'metrics', Key: name }))).rejects.toThrow()
  })

  test('the bucket as a virtual host', async () => {
    const seen = new Set<string>()
    const lookup = dns.lookup
    // Nothing resolves *.server.test: every name is this machine while the test runs.
    dns.lookup = ((name: string, options: object, callback: never) => {
      seen.add(name)
      return lookup('127.0.0.1', options, callback)
    }) as typeof dns.lookup
    try {
      const endpoint = `endpoint: server.test:${ceph.port}`
      const anyName = 'http_config: {tls_config: {insecure_skip_verify: true}}'
      const at = (yaml: string) => yaml.replace(/endpoint: .*/, endpoint)
      await works(await open([anyName, 'bucket_lookup_type: virtual-hosted'], at))
      expect([...seen]).toEqual(['metrics.server.test'])
      await works(await open([anyName, 'bucket_lookup_type: path'], at))
      expect([...seen]).toEqual(['metrics.server.test', 'server.test'])
    } finally {
      dns.lookup = lookup
    }
  })

  test.skipIf(noCurl)('temporary keys: with their session token, not without', async () => {
    const keys = await temporaryKeys(ceph)
    const withKeys = (yaml: string) =>
      yaml.replace(ceph.accessKey, keys.accessKeyId).replace(ceph.secretKey, keys.secretAccessKey)
    await works(await open([trusted, `session_token: ${keys.sessionToken}`], withKeys))
    const without = await open([trusted], withKeys)
    await fails('config', () => without.getRange('object', 0, 1))
  })
})

interface TemporaryKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

/** What the gateway's own security token service hands out. */
async function temporaryKeys(ceph: { endpoint: string; accessKey: string; secretKey: string }): Promise<TemporaryKeys> {
  const signed = ['--aws-sigv4', 'aws:amz:us-east-1:sts', '--user', `${ceph.accessKey}:${ceph.secretKey}`]
  const action = 'Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900'
  const answer = await run('curl', ['-sS', '--insecure', ...signed, '--data', action, `https://${ceph.endpoint}/`])
  const field = (name: string) => {
    const text = new RegExp(`<${name}>([^<]+)</${name}>`).exec(answer)?.[1]
    if (text === undefined) throw new Error(`no ${name} in the answer of the token service: ${answer}`)
    return text
  }
  return {
    accessKeyId: field('AccessKeyId'),
    secretAccessKey: field('SecretAccessKey'),
    sessionToken: field('SessionToken'),
  }
}
