#include <curl/curl.h>

#include "parts.h"

int transfer_limit(void *curl, bool secure)
{
    long redirects = secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FILE));
    return code ? code : curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, redirects);
}
