"""Passwords that are long enough, and among the first that anybody tries; in small letters."""

_LONG = """
000000000000 0123456789012 111111111111 112233445566 121212121212 123123123123 123456123456
123456789012 1234567890123 1234567890123456 1234567891011 123456789123 987654321098
1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv a1b2c3d4e5f6 a1s2d3f4g5h6 aaaaaaaaaaaa
abc123abc123 abcd12345678 abcdefghijkl abcdefghijklm abcdefghijklmnopqrstuvwxyz admin12345678
admin1234567 admin123admin admin@123456 adminadmin123 adminadminadmin administrator administrator1
asdfghjkl123 asdfghjklzxc azerty123456 azerty12345678 azertyuiop12 azertyuiopqsdf barcelona123
baseball1234 basketball12 basketball23 bayernmuenchen bayernmunich bonjour12345 business1234
changeme123! changeme1234 changemenow! changemeplease company12345 computer1234 contrasena12
contrasena123 contraseña12 contraseña123 correcthorsebatterystaple default12345 dragon123456
electricity1 electricity123 energy123456 energymarket fcbarcelona1 flexagora123! flexagora1234
flexagoraflexagora football1234 geheim123456 geheimgeheim hallo1234567 hallohallohallo ichliebedich
ichliebedich1 ilovemyfamily ilovemymother iloveyou123! iloveyou1234 iloveyou12345 iloveyouforever
iloveyousomuch internet1234 jennifer1234 jetaimejetaime letmein12345 letmein123456 letmeinplease
liverpoolfc1 loulou123456 manchesterunited marketplace1 marketplace123 master123456
maytheforcebewithyou michael12345 monkey123456 motdepasse12 motdepasse123 mypassword123
newpassword1 newpassword123 p@ssw0rd123! p@ssw0rd1234 p@ssword1234 passe1234567 passw0rd1234
password!234 password123! password1234 password12345 password123456 password2024 password2025
password2026 passwordpassword passwort123! passwort1234 passwort12345 passwort123456
passwortpasswort princess1234 q1w2e3r4t5y6 q1w2e3r4t5y6u7 qazwsxedcrfv qazwsxedcrfvtgb
qwerty123456 qwerty12345678 qwertyuiop12 qwertyuiop123 qwertyuiop[] qwertyuiopas
qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm qwertz123456 qwertzuiop12 realmadrid12 realmadridcf
root12345678 rootrootroot schatz123456 secret123456 secretsecret secretsecret1 shadow123456
sommer2024! sommer2025! spring2024!! summer2024!! summer2025!! sunshine1234 superadmin123
superman1234 teamomucho12 teamomuchomucho test12345678 testing12345 testtesttest thisismypassword
tobeornottobe trustno1trustno1 welcome1234! welcome12345 welcome123456 welcome2024! welcome2025!
welcome2026! whatever1234 willkommen1! willkommen12 willkommen123 winter2024! winter2025!
winter2025!! winteriscoming zxcvbnm12345 zxcvbnmasdfghjkl
"""

COMMON = frozenset([*_LONG.split(), "correct horse battery staple"])
"""Those that are refused, casefolded."""
