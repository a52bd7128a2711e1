import { Button, Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components'
import { useRouter } from '../route/router'
import { useSession } from '../session/session'
import { useText } from '../text/text'
import { Icon } from '../part/Icon'
import type { IconName } from '../part/icons'

export function UserMenu({ onHelp }: { onHelp: () => void }) {
  const { t, language, setLanguage } = useText()
  const { me, can, signOut } = useSession()
  const { go } = useRouter()
  const items: { id: string; icon: IconName; act: () => void }[] = [
    { id: 'account', icon: 'user', act: () => go('/account') },
    ...(can('token.own') ? [{ id: 'tokens', icon: 'key' as const, act: () => go('/account/tokens') }] : []),
    { id: 'language', icon: 'globe', act: () => setLanguage(language === 'ja' ? 'en' : 'ja') },
    { id: 'keys', icon: 'form', act: onHelp },
    { id: 'sign_out', icon: 'leave', act: () => void signOut() },
  ]
  return (
    <MenuTrigger>
      <Button className="flex min-h-12 items-center gap-2 rounded-8 px-2 hover:bg-side">
        <Icon name="user" />
        <span className="max-md:sr-only">
          {me.user.section && <span className="mr-1.5 max-xl:sr-only">{me.user.section}</span>}
          {me.user.name}
        </span>
      </Button>
      <Popover placement="bottom end" className="card shadow-2 min-w-[240px] py-2">
        <Menu aria-label={t('frame.user_menu')} className="outline-none" onAction={(id) => items.find((i) => i.id === id)?.act()}>
          {items.map((i) => (
            <MenuItem key={i.id} id={i.id} className="flex min-h-12 cursor-pointer items-center gap-3 px-4 data-[focused]:bg-blue-50">
              <Icon name={i.icon} />
              {i.id === 'language' ? <span lang={language === 'ja' ? 'en' : 'ja'}>{t('frame.other_language')}</span> : t('menu.' + i.id)}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  )
}
