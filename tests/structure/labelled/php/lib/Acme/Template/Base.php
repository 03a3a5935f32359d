<?php

abstract class Acme_Template_Base
{
    const VERSION = '1';
}
