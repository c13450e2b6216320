// What is done to a bucket as metrics of a registry.
// Specification: metric names, labels and buckets of Thanos's objstore package.
// Owns those metrics; measured.ts tells what there is to count.
import { counter, gauge, histogram, type Registry } from '../kit/metrics.ts'
import type { Bucket } from './bucket.ts'
import { type BucketMetrics, MeasuredBucket, operations, transferring } from './measured.ts'

/** The bucket, counting into the registry under the label bucket=`name`. */
export function metricsBucket(inner: Bucket, name: string, registry: Registry): Bucket {
  return new MeasuredBucket(inner, bucketMetrics(name, registry))
}

function bucketMetrics(bucket: string, registry: Registry): BucketMetrics {
  const labelNames = ['bucket', 'operation'] as const
  const total = counter(registry, {
    name: 'thanos_objstore_bucket_operations_total',
    help: 'Total number of all attempted operations against a bucket.',
    labelNames,
  })
  const failures = counter(registry, {
    name: 'thanos_objstore_bucket_operation_failures_total',
    help: 'Total number of operations against a bucket that failed, but were not expected to fail.',
    labelNames,
  })
  const fetched = counter(registry, {
    name: 'thanos_objstore_bucket_operation_fetched_bytes_total',
    help: 'Total number of bytes fetched from bucket, per operation.',
    labelNames,
  })
  const transferred = histogram(registry, {
    name: 'thanos_objstore_bucket_operation_transferred_bytes',
    help: 'Number of bytes transferred from/to bucket per operation.',
    labelNames,
    buckets: Array.from({ length: 16 }, (_, i) => 2 ** (15 + i)),
  })
  const duration = histogram(registry, {
    name: 'thanos_objstore_bucket_operation_duration_seconds',
    help: 'Duration of successful operations against the bucket per operation.',
    labelNames,
    buckets: [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120],
  })
  const lastUpload = gauge(registry, {
    name: 'thanos_objstore_bucket_last_successful_upload_time',
    help: 'Second timestamp of the last successful upload to the bucket.',
    labelNames: ['bucket'],
  })
  for (const operation of operations) {
    total.inc({ bucket, operation }, 0)
    failures.inc({ bucket, operation }, 0)
    duration.zero({ bucket, operation })
  }
  for (const operation of transferring) {
    fetched.inc({ bucket, operation }, 0)
    transferred.zero({ bucket, operation })
  }
  lastUpload.inc({ bucket }, 0)
  return {
    started: (operation) => total.inc({ bucket, operation }),
    failed: (operation) => failures.inc({ bucket, operation }),
    done: (operation, seconds) => duration.observe({ bucket, operation }, seconds),
    moved(operation, bytes) {
      transferred.observe({ bucket, operation }, bytes)
      if (operation !== 'upload') fetched.inc({ bucket, operation }, bytes)
    },
    uploaded: () => lastUpload.set({ bucket }, Date.now() / 1000),
  }
}
