/* SPDX-License-Identifier: MIT */
/*
 * test_pretokenize.c - every pre-tokenizer of the table cuts one sample text as
 * Hugging Face's tokenizers (0.23.3, Split with the model's own regexes) does;
 * cuts lose nothing; long runs of one character cost linear time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "text/pretokenize.h"

#include <cmocka.h>

/* clang-format off */
static const char sample[] =
      "Don't we'LL  XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b 1234567 12345a \xe6\x97\xa5"
      "\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xef\xbc\x81\xed\x95\x9c"
      "\xea\xb8\x80 x\xc2\xb2\r\n\n\t\tif(a_b!=$3.5)//\n   .\xe3\x80\x82\xe0\xa4\xb9"
      "\xe0\xa4\xbf IMGIMGABZ<sentinel:7>   ";

static const struct {
    const char *names, *pieces; /* names apart by spaces, pieces by bars */
} cases[] = {
    { "default",
      "Don|'|t| we|'|LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n\t|\t|if|(|a|_|b|!=$|3|.|5|)//|\n   |."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>|   " },
    { "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-b"
      "pe gigachat a.x-4.0 mellum modern-bert exaone4 mpt olmo jais trillion granite-docli"
      "ng",
      "Don|'t| we|'|LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| 1234567| 12345|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n\t|\t|if|(|a|_|b|!=$|3|.|5|)//|\n  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>|   " },
    { "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx"
      " smaug-bpe chatglm-bpe glm4",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "qwen35",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|4"
      "|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "gpt-4o llama4 kanana2 talkie minimax-m2 granite-embed-multi-97m",
      "Don't| we'LL| | XMLHttp|\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "tekken",
      "Don|'t| we|'LL| | XMLHttp|\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "kimi-k2",
      "Don't| we'LL| | XMLHttp|\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |123|456|7| |123|45|a| |"
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e|\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2",
      "Don|'t| we|'|LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| |1|2|3|4|5|6|7| |1|2|3|4"
      "|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n\t|\t|if|(|a|_|b|!=$|3|.|5|)//|\n  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>|   " },
    { "falcon",
      "Don|'|t| we|'|LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n\t|\t|if|(|a|_|b|!=$|3|.|5|)//|\n   |."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>|   " },
    { "deepseek-llm",
      "Don|'|t| we|'|LL| | XMLHttp|\xc3\x89|a|\xc3\xa9|\xcc\x80|b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| |\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r|\n|\n|\t|\tif|(|a|_|b|!=$|3|.|5|)//|\n|  | "
      ".|\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>|   " },
    { "deepseek-coder",
      "Don|'|t| we|'|LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| |\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r|\n|\n|\t|\tif|(|a|_|b|!|=$|3|.|5|)//|\n|  |"
      " .|\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<|sentinel|:|7|>   " },
    { "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |123|456|7| |123|45|a| |"
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "afmoe",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|234|567| |12|345|a| |"
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "superbpe",
      "Don't we'LL  XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b |1|234|567| |12|345|a "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80 x|\xc2\xb2|\r\n\n\t\tif(a_b!=$|3|.|5|)//\n   .\xe3\x80\x82"
      "\xe0\xa4\xb9\xe0\xa4\xbf IMGIMGABZ<sentinel:|7|>   " },
    { "poro-chat bloom gpt3-finnish",
      "Don't| we'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| 1234567| 12345a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x\xc2\xb2|\r\n\n\t\t|if|(|a_b|!|=$3|.|5|)|//|\n   ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ<sentinel:7>|   " },
    { "viking",
      "Don't| we'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|4|5"
      "|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n\t\t|if|(|a_b|!|=$|3|.|5|)|//|\n   ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ<sentinel:|7|>|   " },
    { "bailingmoe bailingmoe2 llada-moe",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "seed-coder",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//|\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "exaone-moe",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|4"
      "|5|a \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80 x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf IMGIMGABZ|<sentinel|:|7|>|   " },
    { "tiny_aya cohere2moe",
      "Don't| we'LL| | XMLHttp|\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|234|567| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "youtu",
      "Don't| we'LL| | XMLHttp|\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|4|"
      "5|a| |\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | .|"
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "minicpm5",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "laguna",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r|\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//|\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "ufakzeka",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "spark2_5",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b| |1|2|3|4|5|6|7| |1|2|3|4"
      "|5|a| |\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r|\n|\n|\t|\tif|(a|_b|!=$|3|.|5|)//|\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|   " },
    { "jais-2",
      "Don|'t| we|'LL| | XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80" "b| |123|456|7| |123|45|a| "
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r\n\n|\t|\tif|(a|_b|!=$|3|.|5|)//\n|  | ."
      "\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| IMGIMGABZ|<sentinel|:|7|>|  | " },
    { "chameleon",
      "Don|'|t| we|'|LL|  |XMLHttp\xc3\x89" "a\xc3\xa9|\xcc\x80|b| |1|2|3|4|5|6|7| |1|2|3|"
      "4|5|a| \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99|\xef\xbc\x81|"
      "\xed\x95\x9c\xea\xb8\x80| x|\xc2\xb2|\r|\n|\n|\t|\t|if|(|a|_|b|!|=|$|3|.|5|)|/|/|\n"
      "|  | |.|\xe3\x80\x82|\xe0\xa4\xb9|\xe0\xa4\xbf| |IMGIMGABZ|<|sentinel|:|7|>|  | " },
    { "gemma4 granite-embed-multi-311m sarvam-moe",
      "Don't we'LL  XMLHttp\xc3\x89" "a\xc3\xa9\xcc\x80" "b 1234567 12345a \xe6\x97\xa5"
      "\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xa7\xe3\x81\x99\xef\xbc\x81\xed\x95\x9c"
      "\xea\xb8\x80 x\xc2\xb2\r|\n\n|\t\tif(a_b!=$3.5)//|\n|   .\xe3\x80\x82\xe0\xa4\xb9"
      "\xe0\xa4\xbf IMGIMGABZ<sentinel:7>   " },
};
/* clang-format on */

struct walk {
    const char *next; /* where the next word must begin */
    char out[1024];   /* the words between bars          */
    size_t n, words;
};

static bool take(void *arg, const char *p, size_t n)
{
    struct walk *w = arg;

    assert_ptr_equal(p, w->next);
    assert_true(n > 0);
    w->next = p + n;
    w->words++;
    if (w->n + n + 2 < sizeof(w->out)) {
        if (w->n) w->out[w->n++] = '|';
        memcpy(w->out + w->n, p, n);
        w->n += n;
        w->out[w->n] = 0;
    }
    return true;
}

static struct slice text_of(const char *s)
{
    return (struct slice){ s, strlen(s) };
}

/* Split with a fresh pre-tokenizer; all of the text must come out. */
static void split(struct walk *w, const char *name, struct slice text)
{
    struct brrr_error err = { 0 };
    struct pretok *p;

    if (pretok_new(&p, text_of(name), &err)) fail_msg("%s: %s", name, err.text);
    struct pretok_run *r = pretok_run_new(p);
    assert_non_null(r);
    *w = (struct walk){ .next = text.p };
    assert_true(pretok_split(r, text.p, text.n, take, w));
    assert_ptr_equal(w->next, text.p + text.n);
    pretok_run_free(r);
    pretok_free(p);
}

/* The row of cases[] that has the name, -1: none. */
static int case_of(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < COUNT(cases); i++)
        for (const char *s = cases[i].names; (s = strstr(s, name)); s += n)
            if ((s == cases[i].names || s[-1] == ' ') && (s[n] == ' ' || s[n] == 0)) return (int)i;
    return -1;
}

static void test_every_row(void **state)
{
    (void)state;
    size_t n = 0;
    for (; pretok_name(n); n++) {
        struct walk w;
        int i = case_of(pretok_name(n));
        if (i < 0) fail_msg("%s has no case here", pretok_name(n));
        split(&w, pretok_name(n), text_of(sample));
        if (strcmp(w.out, cases[i].pieces) != 0)
            fail_msg("%s:\n got  %s\n want %s", pretok_name(n), w.out, cases[i].pieces);
    }
    assert_true(n >= 80);
}

static void test_digits_in_threes(void **state)
{
    static const char *const want[][3] = {
        { "1", "1", "1" },
        { "123", "123", "123" },
        { "1234", "1|234", "1|234" },
        { "a1234567b", "a|1|234|567|b", "a|123|456|7|b" },
        { "12345678.", "12|345|678|.", "12|345|678|." },
        { "x 1234 y", "x |1|234| y", "x| |1|234| y" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        struct walk w;
        split(&w, "superbpe", text_of(want[i][0]));
        assert_string_equal(w.out, want[i][1]);
        split(&w, "tiny_aya", text_of(want[i][0]));
        assert_string_equal(w.out, want[i][2]);
    }
}

static void test_unknown_name(void **state)
{
    struct brrr_error err = { 0 };
    struct pretok *p;
    unsigned flags;

    (void)state;
    assert_false(pretok_flags(text_of("gpt-3"), &flags));
    assert_int_equal(pretok_new(&p, text_of("gpt-3"), &err), BRRR_E_UNSUPPORTED);
    assert_null(p);
    assert_non_null(strstr(err.text, "gpt-3"));
    assert_true(pretok_flags(text_of("tekken"), &flags));
    assert_int_equal(flags, PRE_WHOLE_WORDS | PRE_ADD_BOS);
}

static bool refuse(void *arg, const char *p, size_t n)
{
    (void)p;
    (void)n;
    return --*(int *)arg > 0;
}

static void test_stops_when_told(void **state)
{
    struct brrr_error err;
    struct pretok *p;
    int left = 3;

    (void)state;
    assert_int_equal(pretok_new(&p, text_of("gpt-2"), &err), BRRR_OK);
    struct pretok_run *r = pretok_run_new(p);
    assert_false(pretok_split(r, "a b c d e", 9, refuse, &left));
    assert_int_equal(left, 0);
    pretok_run_free(r);
    pretok_free(p);
}

/* 128 KiB of one character, then something else: quadratic time would take minutes. */
static void test_long_runs(void **state)
{
    enum { N = 1 << 17 };
    static const char *const unit[] = {
        " ",        "a",    "A",  "1",  "\n", "'", ".", "\t", "\xe3\x80\x80", "\xe4\xb8\x80",
        "\xcc\x81", "\r\n", "a ", " \n"
    };
    char *text = malloc(N + 2);

    (void)state;
    for (size_t k = 0; pretok_name(k); k++)
        for (size_t u = 0; u < COUNT(unit); u++) {
            size_t n = 0, m = strlen(unit[u]);
            struct walk w;
            for (; n + m <= N; n += m)
                memcpy(text + n, unit[u], m);
            text[n++] = u % 2 ? 'x' : '1';
            clock_t start = clock();
            split(&w, pretok_name(k), (struct slice){ text, n });
            double took = (double)(clock() - start) / CLOCKS_PER_SEC;
            if (took > 2) fail_msg("%s, run %zu: %.1f s", pretok_name(k), u, took);
        }
    free(text);
}

/* Jais 2 takes a run of spaces in many matches; each of them looked at all of the rest. */
static void test_run_in_parts(void **state)
{
    enum { N = 3 << 20 };
    char *text = malloc(N);
    struct walk w;

    (void)state;
    memset(text, ' ', N);
    clock_t start = clock();
    split(&w, "jais-2", (struct slice){ text, N });
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(w.words, N / 512);
    if (took > 2) fail_msg("%.1f s", took);
    free(text);
    split(&w, "jais-2", text_of("!\n  \n \t\r x  y"));
    assert_string_equal(w.out, "!\n|  \n \t\r| x| | y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),    cmocka_unit_test(test_digits_in_threes),
        cmocka_unit_test(test_unknown_name), cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_long_runs),    cmocka_unit_test(test_run_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
