// Package objects keeps blobs (evidence, held mail, reports, quarantined files)
// for one body at a time, encrypted, in a folder or in an S3 bucket.
//
// Every body has a data key of its own, which lies in the same bucket, wrapped
// by the operator's key ([OperatorKey]); that one is read from a file that no
// backup holds. An object's [Address] is an HMAC of its bytes under the body's
// key: the same bytes of one body are one object, and two bodies never share
// one, nor can anybody tell that they hold the same. Erasing a body's key
// (消去) therefore erases its objects, wherever copies of the bucket lie.
//
// A [Store] is the door for services; a [Bucket] is what lies below it.
package objects
