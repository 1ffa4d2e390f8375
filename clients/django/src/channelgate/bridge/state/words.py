"""The words that zlib starts from when it packs a state."""

# What most states have in common, the most frequent last. Another list needs another letter: it is part of the format.
WORDS = (
    b'{"$g":["$oc":["$gs":["$o":["{"$e":["{"$d":[{"$q":[null,[{"$s":["{"$dec":"{"$da":"{"$td":[{"$bm":["{"$fs":[{"$u":"'
    b'chat.consumers:ChatConsumer","notifications.consumers:NotificationConsumer","tenant":"token":"auth":"$ft":["'
    b'"_auth_user_backend":"allauth.account.auth_backends.AuthenticationBackend"accounts.User","users.User",'
    b'"accounts.CustomUser","Bearer "token_type":"access","exp":,"iat":,"jti":"user_id":'
    b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    b'"rest_framework_simplejwt.tokens:AccessToken","django.utils.functional:","$l":[2,{"$an":0}]}'
    b'"room_group_name":"chat_notifications_user_group_name":"user_id":,"username":"is_connected":true,"room_id":"'
    b'"user":{"$r":'
    b'["x-forwarded-host","["x-forwarded-port","443"],["x-request-id","["sec-fetch-dest",'
    b'"websocket"],["sec-fetch-mode",'
    b'"websocket"],["sec-fetch-site","same-origin"],["priority","u=4, i"],["te","trailers"],"http://localhost:3000"'
    b"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0(iPhone; CPU iPhone OS 18_0 like Mac OS X) "
    b"AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1(Linux; Android 10; K) "
    b"(Macintosh; Intel Mac OS X 10_15_7) Mobile Safari/537.36 Edg/130.0.0.0"
    b'"cg":{"c":"consumers:","s":"open","h":{"path":"/ws/chat/","query_string":"token=","headers":[["host","'
    b'localhost:8000"],'
    b'["x-real-ip","["connection","Upgrade"],["pragma","no-cache"],["cache-control","no-cache"],'
    b'["user-agent","Mozilla/5.0 '
    b'(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"],["upgrade",'
    b'"websocket"],["origin","https://"],["sec-websocket-version","13"],["accept-encoding","gzip, deflate, br, zstd"],'
    b'["accept-language","en-US,en;q=0.9,de;q=0.8"],["cookie","csrftoken=; sessionid="],["sec-websocket-key","=="],'
    b'["sec-websocket-extensions","permessage-deflate; client_max_window_bits"],["x-forwarded-for",'
    b'"["x-forwarded-proto",'
    b'"https"]],"client":["127.0.0.1",5],"server":["example.org",443],"scheme":"wss","subprotocols":[],"extensions":'
    b'{"websocket.http.response":{}}},"i":0,"u":{"id":1,"name":"","is_staff":false,"is_superuser":false}}'
    b'{"$c":"{"$t":["$r":{"$dt":"2026-+00:00"},"kwargs":{},"m":{"auth.User":["channels.auth:UserLazyObject'
    b'{"c":"consumers:Consumer","s":{"cookies":{"sessionid":"","csrftoken":""},"session":{"$l":[1,{"$ss":["",1,'
    b'{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"}]}]},'
    b'"user":{"$l":[0,{"$m":["auth.User",[1,{"$-":0},null,false,"",false,true,{"$dt":"2026-01-01T00:00:00.000000+00:00"'
    b'}]]}]},"path_remaining":"","url_route":{"args":{"$t":[]},"kwargs":{"room_name":"'
)
