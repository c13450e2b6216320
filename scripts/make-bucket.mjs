// `make-bucket.mjs http://HOST:PORT BUCKET`: makes an S3 bucket where there is none, on any S3-compatible server.
// For trying out: keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Tries for a minute: the server may be starting.
// Exit status: 0 the bucket is there, 1 it is not, 2 wrong arguments.
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, HeadBucketCommand, S3Client } from '@aws-sdk/client-s3'

const [endpoint, bucket] = process.argv.slice(2)
if (!URL.canParse(endpoint ?? '') || !bucket) {
  console.error('usage: make-bucket.mjs http://HOST:PORT BUCKET')
  process.exit(2)
}
const s3 = new S3Client({ endpoint, region: process.env.AWS_REGION ?? 'us-east-1', forcePathStyle: true })
const deadlineMs = Date.now() + 60_000
for (;;) {
  try {
    console.log(await makeBucket())
    break
  } catch (error) {
    if (Date.now() > deadlineMs) {
      console.error(`cannot make bucket ${bucket} at ${endpoint}: ${error.message}`)
      process.exit(1)
    }
    await sleep(1_000)
  }
}

/** Says what it found or did. */
async function makeBucket() {
  try {
    await s3.send(new HeadBucketCommand({ Bucket: bucket }))
    return `bucket ${bucket} is there`
  } catch (error) {
    if (error.$metadata?.httpStatusCode !== 404) throw error
  }
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  return `bucket ${bucket} made`
}
