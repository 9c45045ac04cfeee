#include <curl/curl.h>

#include "parts.h"

int transfer_limit(void *curl, bool secure)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
    code = code ? code : curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    /* The end of a transfer does not wait for an unresponsive name server. */
    return code ? code : curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
}
