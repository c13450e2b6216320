// The bucket in memory, and what wraps a bucket, against the contract.
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metricsBucket } from '../../../lib/objstore/metrics.ts'
import { prefixBucket } from '../../../lib/objstore/prefix.ts'
import { bucketContract } from './bucket-contract.ts'

bucketContract({ name: 'memory', open: async () => new MemoryBucket(), largeBytes: 3_000_000 })
bucketContract({
  name: 'below a prefix',
  open: async () => prefixBucket(new MemoryBucket(), '/tenant/a/'),
  largeBytes: 0,
})
bucketContract({
  name: 'with metrics',
  open: async () => metricsBucket(new MemoryBucket(), 'memory', createRegistry()),
  largeBytes: 3_000_000,
})
