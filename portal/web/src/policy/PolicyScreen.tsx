import { useState } from 'react'
import type { OwnLayer, Page, PolicyService, PolicyState, Tenant } from '../api/types'
import { useLoad } from '../api/useLoad'
import { Panel } from '../part/Panel'
import { useRouter } from '../route/router'
import { useText } from '../text/text'
import { Page as PageFrame } from '../part/Page'
import { EmptyState } from '../part/EmptyState'
import { formOf } from './forms'
import { PolicyEditor } from './PolicyEditor'

/** A body's policy for one service, or with ?layer=baseline what an operator sets for all of its bodies. */
export function PolicyScreen({ tenant, service }: { tenant: string; service: string }) {
  const { t } = useText()
  const { query } = useRouter()
  const layer: OwnLayer = query.get('layer') === 'baseline' ? 'baseline' : 'override'
  const path = `/tenants/${encodeURIComponent(tenant)}/policies/${encodeURIComponent(service)}`
  const state = useLoad<PolicyState>(`${path}?explain=1&layer=${layer}`)
  const services = useLoad<Page<PolicyService>>('/services')
  const body = useLoad<Tenant>(`/tenants/${encodeURIComponent(tenant)}`)
  const fields = formOf(service)
  const [applied, setApplied] = useState('')
  const known = services.data?.items.find((s) => s.service === service)
  if (!fields) {
    return (
      <PageFrame title={t('policy.unknown')}>
        <EmptyState title={t('policy.no_form')} />
      </PageFrame>
    )
  }
  if (state.data && known && body.data) {
    return (
      <PolicyEditor
        key={path + layer + state.data.etag}
        path={path}
        layer={layer}
        load={state}
        fallback={known.default}
        body={body.data}
        service={service}
        fields={fields}
        applied={applied}
        onApplied={setApplied}
      />
    )
  }
  const waiting = state.error || !state.data ? state : services.error ? services : body
  return (
    <PageFrame title={t(`policy.${service}`)}>
      <Panel from={waiting as typeof state} what={t(`policy.${service}`)}>
        {() => null}
      </Panel>
    </PageFrame>
  )
}
