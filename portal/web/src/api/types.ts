// The shapes of the API, by the names the screens use. All come from the
// OpenAPI document; where that says "any JSON", the narrower type stands here.
import type { components } from './schema.gen'

type Schemas = components['schemas']

export type Me = Schemas['Me']
export type Role = Me['user']['role']
export type Tenant = Schemas['Tenant']
export type Contact = Schemas['Contact']
export type User = Schemas['User']
export type NewUser = Schemas['NewUser']
export type Token = Schemas['Token']
export type Enrolment = Schemas['Enrolment']

export interface Page<T> {
  items: T[]
  next?: string
}

export type Json = null | boolean | number | string | Json[] | Tree
export interface Tree {
  [name: string]: Json
}
export type Layer = 'default' | 'baseline' | 'override'
export type OwnLayer = 'baseline' | 'override'
export type Mode = 'ours' | 'other' | 'off'
export type EntryProblem = Schemas['FieldError']
export type Change = Schemas['Change']
export type Why = Schemas['Why']
export type PolicyDocument = Omit<Schemas['Document'], 'body' | 'mode'> & { body: Tree; mode?: Mode }
export type Effective = Omit<Schemas['Effective'], 'body' | 'mode' | 'origins'> & { body: Tree; mode: Mode; origins: Record<string, Layer> }
export type PolicyState = Omit<Schemas['State'], 'document' | 'baseline' | 'effective'> & {
  document: PolicyDocument | null
  baseline: PolicyDocument | null
  effective?: Effective
}
export type PolicyService = Omit<Schemas['PolicyService'], 'default'> & { default: Tree }
export type Preview = Omit<Schemas['Preview'], 'effective'> & { effective: Effective | null }
export type Replay = Schemas['Replayed']
export type Sample = Schemas['Sample']
export type Version = Schemas['Version']

export type EventRow = Record<string, string>
export type Found = Omit<Schemas['Found'], 'events'> & { events: EventRow[] }
export type Histogram = Schemas['Histogram']
export type Facets = Schemas['Facets']

export type Home = Schemas['Home']
export type HomeService = Schemas['Service']
export type Todo = Schemas['Todo']
export type BodyState = Schemas['BodyState']
export type NumberValue = Schemas['Number']
export type ClockEntry = Schemas['Clock']
export type Capacity = Schemas['Capacity']
export type Part = Schemas['Part']
export type Status = Schemas['Status']
export type Site = Schemas['Site']

export type AuditRecord = Schemas['Record']
export type Verified = Schemas['Verified']
export type Backup = Schemas['Backup']
export type Backups = Schemas['List']
export type Started = Schemas['Started']
export type Job = Schemas['Job']
