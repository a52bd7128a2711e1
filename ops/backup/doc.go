// Package backup keeps encrypted copies of what the product cannot make again
// (バックアップとリストア), and proves that they come back.
//
// A [Source] cuts what it holds into slices, one body's each wherever it can. A
// [Backup] writes every slice that changed as one part, encrypted for the holders
// of the backup identity, and then a signed [Manifest] that names all parts of
// this backup, those of earlier ones that did not change included. A backup
// exists once its manifest does; whatever ended before leaves parts that nobody
// names and that the next run takes up or [Prune] removes.
//
// A [Restore] reads a manifest, checks every part, and hands the slices to
// [Target]s: all of them for a lost machine, those of one body for that body.
// [Drill] does so into a scratch place, re-reads what came back, and measures
// how long it took (RTO) and how old the newest row is (RPO).
//
// At least one copy lies where no administrator of this product can delete it:
// in an S3 bucket with object lock, or in the store of a second account that
// runs [Pull].
package backup
