// The object storage configuration: what makes a bucket, and the one line that says what is wrong.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigSection } from '../../../lib/kit/config-section.ts'
import type { MnemoError } from '../../../lib/kit/errors.ts'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { createBucket, objstoreFlags, readObjstoreConfig, requireObjstoreConfig } from '../../../lib/objstore/config.ts'
import { parseS3Config } from '../../../lib/objstore/s3-config.ts'

const folder = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-config-'))
afterAll(() => fs.rm(folder, { recursive: true }))

/** The message of the `config` error. */
async function problem(run: () => unknown): Promise<string> {
  try {
    await run()
  } catch (error) {
    expect((error as MnemoError).code).toBe('config')
    return (error as MnemoError).message
  }
  throw new Error('want a config error')
}

describe('flags', () => {
  const parse = (...argv: string[]) => parseFlags('store', '', objstoreFlags, argv)

  test('inline, from a file, none', async () => {
    const file = path.join(folder, 'bucket.yaml')
    await fs.writeFile(file, 'type: FILESYSTEM')
    expect(readObjstoreConfig(parse('--objstore.config=type: S3'))).toBe('type: S3')
    expect(readObjstoreConfig(parse(`--objstore.config-file=${file}`))).toBe('type: FILESYSTEM')
    expect(readObjstoreConfig(parse())).toBeUndefined()
    expect(readObjstoreConfig(parse('--objstore.config='))).toBeUndefined()
  })

  test('both, a missing file, none where one is needed', async () => {
    const both = parse('--objstore.config=x', '--objstore.config-file=y')
    expect(await problem(() => readObjstoreConfig(both))).toContain('want one of them')
    expect(await problem(() => readObjstoreConfig(parse('--objstore.config-file=/none')))).toContain('/none')
    expect(await problem(() => requireObjstoreConfig(parse()))).toContain('--objstore.config')
  })
})

describe('buckets', () => {
  test('a directory, below a prefix, with metrics', async () => {
    const registry = createRegistry()
    const yaml = `type: filesystem\nconfig:\n  directory: ${folder}/bucket\nprefix: tenant/a\n`
    const bucket = await createBucket(yaml, { registry })
    await bucket.upload('object', Buffer.from('12345'))
    expect(await bucket.getRange('object', 0, 10)).toHaveLength(5)
    await expect(bucket.get('missing')).rejects.toThrow()
    await expect(bucket.get('../x')).rejects.toThrow()
    for await (const _ of await bucket.get('object'));
    expect(await fs.readFile(`${folder}/bucket/tenant/a/object`, 'utf8')).toBe('12345')
    const metrics = await registry.metrics()
    const value = (name: string, operation: string) =>
      new RegExp(`^${name}\\{bucket="fs: [^"]*",operation="${operation}"\\} (\\S+)`, 'm').exec(metrics)?.[1]
    expect(value('thanos_objstore_bucket_operations_total', 'upload')).toBe('1')
    expect(value('thanos_objstore_bucket_operations_total', 'get')).toBe('2')
    expect(value('thanos_objstore_bucket_operation_failures_total', 'get')).toBe('0')
    expect(value('thanos_objstore_bucket_operation_fetched_bytes_total', 'get_range')).toBe('5')
    expect(value('thanos_objstore_bucket_operation_fetched_bytes_total', 'get')).toBe('5')
    expect(value('thanos_objstore_bucket_operation_duration_seconds_count', 'get')).toBe('1')
    expect(metrics).toMatch(/^thanos_objstore_bucket_last_successful_upload_time\{bucket="fs: [^"]*"\} \d{10}/m)
  })

  test('what is wrong is named', async () => {
    const wrong = (yaml: string) => problem(() => createBucket(yaml))
    expect(await wrong('')).toContain('it is empty')
    expect(await wrong('type: GCS')).toContain('"GCS"')
    expect(await wrong('type: FILESYSTEM')).toContain('config.directory is missing')
    expect(await wrong('type: FILESYSTEM\nconfig: {directory: /x, dir: y}')).toContain('unknown key bucket.config.dir')
    expect(await wrong('typ: S3')).toContain('unknown key bucket.typ')
    expect(await wrong('a: [')).toContain('want YAML')
    const secret = await wrong('type: S3\nconfig:\n  secret_key: "hidden\n')
    expect(secret).toContain('line')
    expect(secret).not.toContain('hidden')
  })
})

describe('S3 keys', () => {
  const parse = (keys: object) =>
    parseS3Config(new ConfigSection({ bucket: 'b', endpoint: 'localhost:9000', ...keys }, 'config'))

  test('defaults', () => {
    expect(parse({})).toMatchObject({
      bucket: 'b',
      endpoint: 'https://localhost:9000',
      region: 'us-east-1',
      dualstack: false,
      forcePathStyle: true,
      credentials: undefined,
      listV1: false,
      sendContentMd5: true,
      maxAttempts: 6,
      trace: false,
      put: { metadata: {}, storageClass: undefined, acl: undefined },
      encryption: { type: 'none' },
    })
  })

  test("every key of Thanos's documentation at its default is accepted", async () => {
    const documented = `type: S3
config:
  bucket: "b"
  endpoint: "localhost:9000"
  region: ""
  disable_dualstack: false
  aws_sdk_auth: false
  access_key: ""
  insecure: false
  signature_version2: false
  secret_key: ""
  session_token: ""
  put_user_metadata: {}
  http_config:
    idle_conn_timeout: 1m30s
    response_header_timeout: 2m
    insecure_skip_verify: false
    tls_handshake_timeout: 10s
    expect_continue_timeout: 1s
    max_idle_conns: 100
    max_idle_conns_per_host: 100
    max_conns_per_host: 0
    tls_config:
      ca_file: ""
      cert_file: ""
      key_file: ""
      server_name: ""
      insecure_skip_verify: false
    disable_compression: false
  trace:
    enable: false
  list_objects_version: ""
  bucket_lookup_type: auto
  send_content_md5: true
  disable_multipart: false
  part_size: 67108864
  sse_config:
    type: ""
    kms_key_id: ""
    kms_encryption_context: {}
    encryption_key: ""
  sts_endpoint: ""
  max_retries: 0
prefix: ""
`
    await (await createBucket(documented)).close()
  })

  test('Amazon is addressed as its SDK does it', () => {
    expect(parse({ endpoint: 's3.eu-west-1.amazonaws.com' })).toMatchObject({
      endpoint: undefined,
      region: 'eu-west-1',
      dualstack: true,
      forcePathStyle: false,
    })
    expect(parse({ endpoint: 's3.amazonaws.com', region: 'ap-south-1', disable_dualstack: 'true' })).toMatchObject({
      endpoint: undefined,
      region: 'ap-south-1',
      dualstack: false,
    })
    expect(parse({ endpoint: 's3.eu-west-1.amazonaws.com', bucket: 'a.b' }).forcePathStyle).toBe(true)
    expect(parse({ endpoint: 's3.eu-west-1.amazonaws.com', bucket_lookup_type: 'path' }).forcePathStyle).toBe(true)
    expect(parse({ bucket_lookup_type: 'virtual-hosted' }).forcePathStyle).toBe(false)
  })

  test('keys are texts, digits and all', async () => {
    const parsed = parse({ access_key: '0123', secret_key: '0456', session_token: '789' })
    expect(parsed.credentials).toEqual({ accessKeyId: '0123', secretAccessKey: '0456', sessionToken: '789' })
  })

  test('metadata, storage class, encryption', () => {
    const metadata = { 'X-Amz-Storage-Class': 'STANDARD_IA', 'X-Amz-Acl': 'private', Owner: 'sre' }
    expect(parse({ put_user_metadata: metadata }).put).toEqual({
      metadata: { Owner: 'sre' },
      storageClass: 'STANDARD_IA',
      acl: 'private',
    })
    expect(parse({ sse_config: { type: 'SSE-KMS', kms_key_id: 'k' } }).encryption).toEqual({
      type: 'SSE-KMS',
      keyId: 'k',
      context: Buffer.from('{}').toString('base64'),
    })
  })

  test.each([
    [{ bucket: '' }, 'config.bucket is missing'],
    [{ endpoint: '' }, 'config.endpoint is missing'],
    [{ endpoint: 'http://localhost' }, 'want host or host:port'],
    [{ acess_key: 'x' }, 'unknown key config.acess_key'],
    [{ http_config: { idle_conns: '1' } }, 'unknown key config.http_config.idle_conns'],
    [{ http_config: { tls_config: { ca: '1' } } }, 'unknown key config.http_config.tls_config.ca'],
    [{ http_config: { tls_config: { ca_file: '/none' } } }, '/none'],
    [{ http_config: { idle_conn_timeout: 'soon' } }, 'want a duration'],
    [{ http_config: 'x' }, 'want a mapping'],
    [{ access_key: 'x' }, 'secret_key (access_key is there)'],
    [{ secret_key: 'x' }, 'access_key (secret_key is there)'],
    [{ aws_sdk_auth: 'true', access_key: 'x', secret_key: 'y' }, 'want one of them'],
    [{ signature_version2: 'true' }, 'config.signature_version2: got true'],
    [{ disable_multipart: 'true' }, 'config.disable_multipart: got true'],
    [{ sts_endpoint: 'https://sts' }, 'config.sts_endpoint: got https://sts'],
    [{ part_size: '1000' }, 'config.part_size: got 1000'],
    [{ max_retries: '-1' }, 'config.max_retries: got -1'],
    [{ insecure: 'maybe' }, 'want true or false'],
    [{ bucket_lookup_type: 'dns' }, 'config.bucket_lookup_type: got "dns"'],
    [{ list_objects_version: 'v3' }, 'config.list_objects_version: got "v3"'],
    [{ sse_config: { type: 'SSE' } }, 'config.sse_config.type: got "SSE"'],
    [{ sse_config: { type: 'SSE-KMS' } }, 'sse_config.kms_key_id is missing'],
    [{ sse_config: { type: 'SSE-C' } }, 'sse_config.encryption_key is missing'],
    [{ put_user_metadata: { 'X-Amz-Tagging': 'a=b' } }, 'got X-Amz-Tagging'],
  ])('%j is refused', async (keys, want) => {
    expect(await problem(() => parse(keys))).toContain(want)
  })
})
